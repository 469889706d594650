// One client connection and its bus connection, with everything that has a side effect: descriptors, buffers, poll interest. It does its own
// input and output, in turns:
//
//   Connection+Turn      what epoll said, what became possible, what is waited for next
//   Connection+Input     reading, offering what was read to the session
//   Connection+Splice    large messages, through the kernel
//   Connection+Bus       its connection to the bus
//   Connection+Closing   how it ends
//   Connection+Output    sending
//
// Each calls only those below it. What others have to do for a connection, or because of it, it leaves as ConnectionEvents.

import CLinux
import GateSession
import Glibc

/// Which connection.
typealias ConnectionID = Slab<Connection>.ID

/// A connection through a gate.
struct Connection: ~Copyable {
  /// A socket, and what epoll is asked to report about it.
  struct Socket {
    var fd: Int32 = -1
    /// The events that are asked for; nil: not in the poll set.
    var interest: UInt32?
    /// The peer hung up, which epoll would report again and again. The socket is out of the poll set until it has to be read.
    var isHungUp = false
  }

  /// Both sockets. Unlike ``BothSides`` without memory of its own: an idle connection is to be small.
  struct Sockets {
    private var client = Socket()
    private var bus = Socket()

    subscript(side: Side) -> Socket {
      @inline(__always) get { side == .client ? client : bus }
      @inline(__always) set { if side == .client { client = newValue } else { bus = newValue } }
    }
  }

  /// How far a connection is in closing.
  enum Closing: Equatable {
    case none
    /// Nothing more is read from this side; what it had sent goes out to the other.
    case delivering(from: Side)
    /// The other side was told; what it still says is read and dropped until it closes too.
    case draining(from: Side)
  }

  /// How far its connection to the bus is.
  enum BusLink: Equatable {
    case none
    /// The connect is in progress; the instant at which it has taken too long.
    case connecting(until: Instant)
    /// The connect came to nothing: -errno. Another alternative may be tried.
    case failed(Int32)
    case open
  }

  let id: ConnectionID
  let gate: GateID
  var client: ClientIdentity
  var session: Session
  var sockets = Sockets()
  /// What comes from each side.
  var pipes = BothSides { Pipe() }

  /// Whether nothing is to be done until one of the sockets has bytes: what was read has left, nothing waits, nothing ends.
  var isIdle = false
  var closing = Closing.none
  /// Why it ends, once it does.
  var closeReason: CloseReason?
  /// Why the gate ended it, where the session did not.
  var end: ConnectionEnd?
  /// When it was accepted.
  let since: Instant
  var drainDeadline: Instant?
  /// Whether the client has not said Hello.
  var isUnauthenticated = true
  /// Its place among those, and when it last sent something.
  var unauthenticated: UnauthenticatedList.Place

  var busLink = BusLink.none
  /// Which alternative of the bus's address its connection leads to.
  var busAlternative = 0
  /// What that can carry.
  var busTransport = Transport.unix
  /// Whether it sends the gate's uid there.
  var saysUID = true
  /// Whether it is one of the bus's ``Bus/helloPendingCount``.
  var countsAsHelloPending = false

  /// What the server is to act on.
  private var events: ConnectionEvents = []
  /// Whether its turn is to be finished once the server has acted.
  var awaitsServer = false

  init(_ id: ConnectionID, gate: GateID, _ client: ClientIdentity, socket: Int32, _ session: consuming Session, at now: Instant) {
    self.id = id
    self.gate = gate
    self.client = client
    self.session = session
    since = now
    unauthenticated = UnauthenticatedList.Place(progressedAt: now)
    sockets[.client].fd = socket
  }

  deinit {
    closeDescriptor(sockets[.client].fd)
    closeDescriptor(sockets[.bus].fd)
  }

  /// Whether it was not ended.
  @inline(__always)
  var isLive: Bool { sockets[.client].fd >= 0 }

  /// Bytes of the client that were read and not dealt with.
  var unconsumedOfClient: Int { pipes[.client].buffer.end - pipes[.client].buffer.start }

  // MARK: Events

  /// Whether it has asked the server for its bus, and has not been heard yet.
  var wantsBus: Bool { !events.isDisjoint(with: [.identifyBus, .connectBus]) }

  /// Has the server act on something after this wake-up.
  mutating func raise(_ event: ConnectionEvents, _ io: inout IOContext) {
    if events.isEmpty { io.eventful.append(id) }
    events.formUnion(event)
  }

  /// What the server is to act on, once.
  mutating func takeEvents() -> ConnectionEvents {
    defer { events = [] }
    return events
  }

  // MARK: Descriptors

  /// Closes the sockets, and everything that is under way.
  mutating func closeDescriptors(_ pool: inout BufferPool) {
    for side in [Side.client, .bus] {
      closeDescriptor(sockets[side].fd)
      sockets[side].fd = -1
      pipes[side].close(to: &pool)
    }
  }
}
