// One client connection and its one connection to the bus, as a machine without input and output: bytes, counts of descriptors and
// instants go in, actions come out. It owns no descriptor, reads no clock, writes no log, starts no thread, so that it can be
// simulated, fuzzed and compared with a naive reference.
//
// GateServer drives it: reads a socket into a buffer, offers the buffer to receive(), carries out the Output, keeps what was not
// consumed and offers it again when there is more, or when the output says so.

import DBusWire
import GatePolicy

/// The state of one connection through the gate.
///
/// Source: ours.
public struct Session: ~Copyable {
  var handshakes: HandshakePair
  var mediator: Mediator
  /// The messages from either side.
  var fromClient = DirectionState()
  var fromBus = DirectionState()
  /// How long neither side has taken the errors that it caused: two gates behind each other would wait like this for ever.
  private var waitOfBoth = PartialWait()
  /// What was decided so far.
  public internal(set) var counters = SessionCounters()

  /// A session with a client that was just accepted.
  ///
  /// - Parameters:
  ///   - peerUID: The client's user as the kernel says; nil where the transport carries no credentials.
  ///   - ownUID: The user that the gate is on the bus.
  ///   - bus: What is known of the bus; nil: the session asks, once the client has to be told.
  ///   - owners: Who owns which name on that bus. To be up to date whenever bytes of the client are offered.
  ///   - budgets: What it shares with other connections; nil: nothing.
  public init(
    settings: SessionSettings, peerUID: UInt32?, ownUID: UInt32, bus: BusIdentity?, owners: OwnerDirectory,
    budgets: CallBudgets? = nil, at now: Instant
  ) {
    handshakes = HandshakePair(settings, peerUID: peerUID, ownUID: ownUID, bus: bus, at: now)
    mediator = Mediator(settings, owners: owners, budgets: budgets)
    mediator.setBus(bus)
  }

  /// From now on each message is decided on by itself, as if there had been none like it. For tests: it is slower, and must change nothing.
  ///
  /// Called before the first message.
  package mutating func rememberNothing() {
    fromClient.cache.turnOff()
    fromBus.cache.turnOff()
  }

  /// Takes bytes that came from `side`, decides on as many messages as are there, and says what to do.
  ///
  /// - Parameters:
  ///   - bytes: What was read and not consumed yet, oldest first. Offsets in `output` count from its first byte.
  ///   - descriptors: How many descriptors have come with these bytes and belong to no message yet.
  ///   - policy: The policy in force. Another one may be given with every call.
  ///   - output: Empty; filled with what to do, in order.
  /// - Returns: How many bytes were dealt with. The rest is to be offered again: `output.wait` says when.
  public mutating func receive(
    _ bytes: RawSpan, from side: Side, descriptors: Int, policy: Policy, at now: Instant, into output: inout Output
  ) -> Int {
    let (start, isDone) = receiveHandshake(bytes, from: side, descriptors: descriptors, into: &output)
    if !isDone { return start }
    return receiveMessages(bytes, from: start, side: side, descriptors: descriptors, policy: policy, at: now, into: &output)
  }

  /// Calls in `direction` that were forwarded and not answered yet.
  public func pendingReplies(_ direction: Direction) -> Int {
    switch direction {
    case .outgoing: mediator.replies.outgoingCount
    case .incoming: mediator.replies.incomingCount
    }
  }

  /// Whether both handshakes are done.
  public var isOpen: Bool { handshakes.isOpen }

  /// Whether the client has not authenticated yet, or not said Hello: it is to hurry, and has no connection to the bus.
  public var isAuthenticating: Bool { handshakes.isAuthenticating }

  /// What the client is told of the bus.
  public var bus: BusIdentity? { handshakes.knownBus }

  /// The client's unique name on the bus, as text for logs; empty until Hello is answered.
  public var name: String { String(decoding: mediator.registration.uniqueName, as: UTF8.self) }

  /// Whether what was forwarded to `side` so far ends with the end of a message, so that the gate may say something itself.
  public func isAtMessageBoundary(to side: Side) -> Bool {
    switch side {
    case .client: fromBus.stream.isAtMessageBoundary
    case .bus: fromClient.stream.isAtMessageBoundary
    }
  }

  /// The gate's own bytes that wait for `side`: how many.
  public func localOutputCount(to side: Side) -> Int { mediator.local.count(to: side) }

  /// Calls `body` with the gate's own bytes that wait for `side`, oldest first.
  public func withLocalOutput<R>(to side: Side, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    switch side {
    case .client: unsafe mediator.local.toClient.withBytes(body)
    case .bus: unsafe mediator.local.toBus.withBytes(body)
    }
  }

  /// `count` of the gate's own bytes have left to `side`.
  public mutating func localOutputSent(_ count: Int, to side: Side) {
    switch side {
    case .client: mediator.local.toClient.removeFirst(count)
    case .bus: mediator.local.toBus.removeFirst(count)
    }
  }

  /// Whether messages from `side` may be dealt with as far as answers to them still find room.
  public func hasRoomForAnswers(to side: Side) -> Bool { mediator.local.hasRoom(to: side) }

  /// ``OwnerDirectory`` says something else than before: what was decided by owners is decided anew.
  ///
  /// - Parameter isObserverNew: Whether the gate's observer has another name, which no client may talk to.
  public mutating func ownersChanged(isObserverNew: Bool = false) {
    mediator.ownership.directoryChanged()
    if mediator.ownership.isFollowing || isObserverNew { mediator.invalidate() }
  }

  /// Takes back what the client was granted and would not be granted under `policy`, which is in force from now on: with the bytes that are
  /// offered next. Calls already forwarded keep their right to a reply.
  ///
  /// The local output may have grown: see ``localOutputCount(to:)``.
  ///
  /// - Returns: Why the connection must end, if it must.
  public mutating func takeBack(under policy: Policy) -> CloseReason? { mediator.takeBack(under: policy) }

  /// Where in `message`, one of the client's, the name stands that it asks the driver about; no bytes if it asks about none, does not say
  /// it as it should, or is not all there or too large to be looked into.
  ///
  /// - Parameters:
  ///   - message: From its first byte on, as far as it has come.
  ///   - header: Its header, which was read.
  public func nameAsked(by message: RawSpan, _ header: MessageHeader) -> ByteRange {
    let headers: InlineArray<1, MessageHeader> = [header]
    return mediator.nameAsked(by: MessageView(message, header: headers.span))
  }

  /// The well-known name that `unique`, a unique name, owned last; of several one that the client used, else the first in order of their
  /// bytes. Nil if none is known.
  ///
  /// Known where names are followed: those that rules ask about; and with ``SessionSettings/tellsOwners`` all that there are.
  public func wellKnownName(of unique: RawSpan) -> String? {
    if !unique.starts(with: UInt8(ascii: ":")) { return nil }
    let name = mediator.ownership.wellKnownName(of: mediator.settings.seed.hash(unique))
    return name.map { String(decoding: $0, as: UTF8.self) }
  }

  // MARK: Time

  /// Whether both sides are open, nothing of the gate's own waits to leave, and no time is counted: then ``countPartialWaits(receiverIsBusy:at:)``
  /// has nothing to count and there is no ``deadline``.
  public var isIdle: Bool {
    mutating get {
      handshakes.isOpen && mediator.registration.phase == .answered && mediator.local.toClient.isEmpty
        && mediator.local.toBus.isEmpty && !fromClient.stream.holdsDescriptors && !fromBus.stream.holdsDescriptors
        && fromClient.wait.isIdle && fromBus.wait.isIdle && waitOfBoth.isIdle
    }
  }

  /// When ``expire(at:)`` has to be called, at the latest.
  public var deadline: Instant? {
    mutating get {
      let begin = handshakes.deadline(isRegistered: mediator.registration.phase == .answered)
      if fromBus.wait.isIdle && fromClient.wait.isIdle && waitOfBoth.isIdle { return begin }
      let timeout = mediator.settings.limits.partialMessageTimeout
      let either = Instant.earlier(fromBus.wait.deadline(timeout), fromClient.wait.deadline(timeout))
      return Instant.earlier(begin, Instant.earlier(either, waitOfBoth.deadline(timeout)))
    }
  }

  /// What has taken too long, if anything has.
  public mutating func expire(at now: Instant) -> CloseReason? {
    if let reason = handshakes.expire(isRegistered: mediator.registration.phase == .answered, at: now) { return reason }
    let timeout = mediator.settings.limits.partialMessageTimeout
    if let deadline = fromBus.wait.deadline(timeout), now >= deadline { return .partialMessageTimeout(.bus) }
    if let deadline = fromClient.wait.deadline(timeout), now >= deadline { return .partialMessageTimeout(.client) }
    if let deadline = waitOfBoth.deadline(timeout), now >= deadline { return .mutualWait }
    return nil
  }

  /// Starts, stops or goes on counting how long local output, or a descriptor, waits for the sender of an unfinished message.
  ///
  /// - Parameter receiverIsBusy: Whether it is the receiver that does not take what is there: that time does not count.
  public mutating func countPartialWaits(receiverIsBusy: (client: Bool, bus: Bool), at now: Instant) {
    // A client that sends its own socket with half a message and leaves is known to be gone by nothing else (CVE-2014-3637).
    let isClientBlocked =
      fromBus.stream.holdsDescriptors || !mediator.local.toClient.isEmpty && !isAtMessageBoundary(to: .client)
    let isBusBlocked =
      fromClient.stream.holdsDescriptors || !mediator.local.toBus.isEmpty && !isAtMessageBoundary(to: .bus)
    fromBus.wait.count(isClientBlocked, receiverIsBusy: receiverIsBusy.client, at: now)
    fromClient.wait.count(isBusBlocked, receiverIsBusy: receiverIsBusy.bus, at: now)
    waitOfBoth.count(!mediator.local.toClient.hasRoom && !mediator.local.toBus.hasRoom, receiverIsBusy: false, at: now)
  }
}
