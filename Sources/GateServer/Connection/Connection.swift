// One client connection and its bus connection, with everything that has a side effect: descriptors, buffers, poll interest.

import CLinux
import GateSession
import Glibc

/// A connection through a gate. It has memory of its own, to which the server keeps a pointer: references to a class would be
/// counted.
@safe
struct Connection: ~Copyable {
  /// A socket, and what epoll is asked to report about it.
  struct Socket {
    var fd: Int32 = -1
    /// The events that are asked for; nil: not in the poll set.
    var interest: UInt32?
    /// The peer hung up, which epoll would report again and again. The socket is out of the poll set until it has to be read.
    var isHungUp = false
  }

  /// How far a connection is in closing.
  enum Closing: Equatable {
    case none
    /// Nothing more is read from this side; what it had sent goes out to the other.
    case delivering(from: Side)
    /// The other side was told; what it still says is read and dropped until it closes too.
    case draining(from: Side)
  }

  let index: Int
  let generation: UInt32
  let gate: Int
  /// Number of the connection since the start, as the log and status show it.
  let number: UInt64
  let peer: PeerCredentials?
  /// The client's control group; nil until the log wants it, empty if it could not be read.
  var cgroup: String?

  var client = Socket()
  var bus = Socket()
  var session: Session
  /// The two pipes: from the client, and from the bus. They have memory of their own, so that a pipe and the rest of the
  /// connection can be changed at the same time.
  private let pipes: UnsafeMutablePointer<Pipe>

  /// Whether nothing is to be done until one of the sockets has bytes: what was read has left, nothing waits, nothing ends.
  var isIdle = false
  /// Which alternative of the bus's address the connection was opened to.
  var busAlternative = 0
  var closing = Closing.none
  /// Why it ends, once it does.
  var closeReason: CloseReason?
  /// Why the server ended it, where the session did not.
  var end: ConnectionEnd?
  /// When it was accepted.
  var since = Instant(milliseconds: 0)
  var drainDeadline: Instant?
  /// Whether it is one of the bus's ``Bus/helloPendingCount``.
  var countsAsHelloPending = false
  var isUnauthenticated = true
  /// When it last sent something, as long as it is unauthenticated.
  var progressedAt = Instant(milliseconds: 0)
  var previousUnauthenticated = -1
  var nextUnauthenticated = -1

  init(index: Int, generation: UInt32, gate: Int, number: UInt64, fd: Int32, peer: PeerCredentials?, session: consuming Session) {
    self.index = index
    self.generation = generation
    self.gate = gate
    self.number = number
    self.peer = peer
    self.session = session
    unsafe pipes = .allocate(capacity: 2)
    unsafe pipes.initialize(to: Pipe())
    unsafe (pipes + 1).initialize(to: Pipe())
    client.fd = fd
  }

  deinit {
    unsafe pipes.deinitialize(count: 2)
    unsafe pipes.deallocate()
  }

  /// The pipe for what comes from `side`.
  @inline(__always)
  func pipe(from side: Side) -> UnsafeMutablePointer<Pipe> { unsafe pipes + Int(side.rawValue) }

  /// Whether the client has authenticated, neither side is closing, and the kernel is asked for bytes of both.
  var isWatchingBoth: Bool {
    mutating get {
      client.interest == EPOLLIN.rawValue && bus.interest == EPOLLIN.rawValue && closing == .none && !isUnauthenticated
        && drainDeadline == nil
    }
  }

  /// Closes the sockets, and the descriptors that are under way.
  mutating func closeDescriptors() {
    closeDescriptor(client.fd)
    closeDescriptor(bus.fd)
    client.fd = -1
    bus.fd = -1
    for side in [Side.client, .bus] {
      unsafe pipe(from: side).pointee.closeDescriptors(pipe(from: side).pointee.descriptors.count)
    }
  }

  func socket(_ side: Side) -> Socket {
    switch side {
    case .client: client
    case .bus: bus
    }
  }

  mutating func setSocket(_ side: Side, _ socket: Socket) {
    switch side {
    case .client: client = socket
    case .bus: bus = socket
    }
  }
}
