// The event sources that there are, and when the first of them is due.

import GateSession

/// Event sources by their IDs.
struct SourceTable: ~Copyable {
  private var slab = Slab<EventSource>()
  /// When the first of them is due.
  private(set) var deadline = Deadline()
  private let poll: PollSet

  init(_ poll: PollSet) { self.poll = poll }

  /// Watches a descriptor.
  mutating func add(
    _ fd: Int32, _ interest: UInt32, deadline: Instant?, _ handle: @escaping EventSource.Handler
  ) throws(SystemError) -> EventSource.ID {
    let id = addTimer(at: nil, handle)
    let result = attach(fd, interest, to: id)
    if result < 0 {
      slab.remove(id.place)
      throw SystemError("cannot watch descriptor \(fd)", result)
    }
    setDeadline(id, deadline)
    return id
  }

  /// A source without a descriptor.
  mutating func addTimer(at deadline: Instant?, _ handle: @escaping EventSource.Handler) -> EventSource.ID {
    self.deadline.note(deadline)
    return EventSource.ID(slab.insert { _ in EventSource(deadline: deadline, handle) })
  }

  /// Forgets a source. Its descriptor stays open.
  mutating func remove(_ id: EventSource.ID) {
    if !slab.contains(id.place) { return }
    slab[id.place].detach(poll)
    slab.remove(id.place)
  }

  mutating func setInterest(_ id: EventSource.ID, _ interest: UInt32) -> Int32 { slab[id.place].setInterest(interest, id, poll) }

  mutating func setDeadline(_ id: EventSource.ID, _ instant: Instant?) {
    slab[id.place].setDeadline(instant)
    deadline.note(instant)
  }

  /// Watches a descriptor for a source that has none. 0, or -errno.
  mutating func attach(_ fd: Int32, _ interest: UInt32, to id: EventSource.ID) -> Int32 {
    slab[id.place].attach(fd, interest, id, poll)
  }

  /// Watches a source's descriptor no more; its deadline stays.
  mutating func detach(_ id: EventSource.ID) { slab[id.place].detach(poll) }

  mutating func setHandler(of id: EventSource.ID, _ handle: @escaping EventSource.Handler) { slab[id.place].setHandler(handle) }

  /// What to call for a source; nil if it was removed.
  func handler(of id: EventSource.ID) -> EventSource.Handler? { slab.contains(id.place) ? slab[id.place].handle : nil }

  /// The sources whose deadline has passed. It is theirs to have another.
  mutating func expired(at now: Instant) -> [EventSource.ID] {
    if !deadline.isDue(at: now) { return [] }
    deadline.clear()
    var due: [EventSource.ID] = []
    for index in 0..<slab.indexEnd {
      guard let id = slab.id(at: index), let instant = slab[id].deadline else { continue }
      if now < instant {
        deadline.note(instant)
        continue
      }
      slab[id].setDeadline(nil)
      due.append(EventSource.ID(id))
    }
    return due
  }
}
