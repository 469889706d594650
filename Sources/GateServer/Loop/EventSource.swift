// Whatever the loop waits for besides connections: a listener, an observer, a signal, a line of configuration, a timer. Each kind is one file
// that registers itself by Server.addSource(_:_:deadline:_:) and has its own state; nothing else has to know of it.

import CLinux
import GateSession

/// Something to wait for: a descriptor, an instant, or both.
public struct EventSource {
  /// Which source. It is never another's.
  public struct ID: Hashable, Sendable, BitwiseCopyable {
    let index: UInt32
    let generation: UInt32

    init(index: UInt32, generation: UInt32) { (self.index, self.generation) = (index, generation) }
    init(_ id: Slab<EventSource>.ID) { self.init(index: id.index, generation: id.generation) }
    var place: Slab<EventSource>.ID { Slab.ID(index: index, generation: generation) }
  }

  /// What happened.
  public struct Events: OptionSet, Sendable {
    /// The bits.
    public let rawValue: UInt8
    /// From the bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// There is something to read, or to accept.
    public static let readable = Events(rawValue: 1)
    /// There is room to write.
    public static let writable = Events(rawValue: 2)
    /// The other end is closed, or broken.
    public static let hungUp = Events(rawValue: 4)
    /// The deadline has passed.
    public static let expired = Events(rawValue: 8)

    init(epoll events: UInt32) {
      self = []
      if events & PollSet.readable != 0 { insert(.readable) }
      if events & PollSet.writable != 0 { insert(.writable) }
      if events & PollSet.hungUp != 0 { insert(.hungUp) }
    }
  }

  /// Called with what happened. It may change, add and remove sources, itself too.
  public typealias Handler = (inout Server, ID, Events) -> Void

  /// Not its own: whoever registered it closes it, after the source was removed. Below 0: there is only a deadline.
  private(set) var fd: Int32 = -1
  private(set) var interest: UInt32 = 0
  private(set) var deadline: Instant?
  private(set) var handle: Handler

  init(deadline: Instant?, _ handle: @escaping Handler) { (self.deadline, self.handle) = (deadline, handle) }

  /// Asks for other events. 0, or -errno.
  mutating func setInterest(_ interest: UInt32, _ id: ID, _ poll: PollSet) -> Int32 {
    if fd < 0 || interest == self.interest { return 0 }
    self.interest = interest
    return poll.modify(fd, interest, .source(id))
  }

  /// Watches a descriptor too. 0, or -errno.
  mutating func attach(_ fd: Int32, _ interest: UInt32, _ id: ID, _ poll: PollSet) -> Int32 {
    precondition(self.fd < 0, "a source has one descriptor")
    let result = poll.add(fd, interest, .source(id))
    if result == 0 { (self.fd, self.interest) = (fd, interest) }
    return result
  }

  /// The descriptor is not watched any more; the deadline stays.
  mutating func detach(_ poll: PollSet) {
    if fd >= 0 { poll.remove(fd) }
    fd = -1
  }

  mutating func setHandler(_ handle: @escaping Handler) { self.handle = handle }

  mutating func setDeadline(_ instant: Instant?) { deadline = instant }
}
