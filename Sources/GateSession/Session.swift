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
  enum ClientPhase { case handshake, open }
  enum BusPhase { case absent, requested, handshake, open }
  /// What is known about Hello, without which a bus serves nobody.
  enum HelloPhase { case unsaid, asked, askedByGate, answered }

  /// What is left of the message that goes by.
  struct Stream {
    var remaining = 0
    /// Whether the rest is forwarded or skipped.
    var passes = false
    /// Descriptors of a skipped message that did not come with its header. −1: unknown how many.
    var owedDescriptors = 0
    /// Whether descriptors wait for the rest of the message that they came with.
    var holdsDescriptors = false
  }

  /// How long the gate's own output to one side has waited for the sender of an unfinished message.
  struct PartialWait {
    var accumulated: UInt64 = 0
    var since: Instant?

    var isIdle: Bool { since == nil && accumulated == 0 }

    mutating func count(_ isBlocked: Bool, _ receiverIsBusy: Bool, _ now: Instant) {
      if !isBlocked {
        if since != nil || accumulated != 0 { self = PartialWait() }
      } else if receiverIsBusy {
        if let since { accumulated += now.milliseconds - min(now.milliseconds, since.milliseconds) }
        since = nil
      } else if since == nil {
        since = now
      }
    }
  }

  let settings: SessionSettings
  /// What was decided so far.
  public internal(set) var counters = SessionCounters()
  var clientPhase = ClientPhase.handshake
  var busPhase = BusPhase.absent
  var helloPhase = HelloPhase.unsaid
  /// Whether it was the gate that said Hello, so that the answer to a later one of the client's is the gate's to repeat.
  var saidHello = false
  var serverHandshake: ServerHandshake
  var clientHandshake: ClientHandshake?
  let ownUID: UInt32

  var fromClient = Stream()
  var fromBus = Stream()
  var clientLanes = Lanes()
  var busLanes = Lanes()
  var ownToClient: LocalOutput
  var ownToBus: LocalOutput
  /// Serials of the gate's own messages to either side.
  var ownSerials = OwnSerials()
  /// The highest serial of what the client said without asking for an answer. dbus-daemon may answer it all the same: with that serial, or a
  /// lower one, an answer is not certain to be what it looks like.
  var unansweredSerialMax: UInt32 = 0

  /// Whether the client, and the bus, agreed to NEGOTIATE_UNIX_FD.
  var clientTakesDescriptors = false
  var busTakesDescriptors = false
  /// What the client is told of the bus, once that is known.
  var knownBus: BusIdentity?
  /// Whether it was asked for.
  var asksForBus = false
  /// Bytes of the Hello that waits for the connection to the bus; 0 if it is another message that does.
  var helloByteCount = 0

  var outgoingCalls: ReplyTable
  var incomingCalls: CallerTable
  /// Calls of the gate's own that ask whether callers are still there, and are not answered.
  var callersAsked = 0
  /// Calls of the gate's own, but for Hello, that are not answered.
  var ownCallCount = 0
  /// Serial of the gate's own Hello while it is outstanding, else 0.
  var ownHelloSerial: UInt32 = 0
  /// The client's name on the bus; empty until Hello is answered.
  var uniqueName: [UInt8] = []
  /// Hashes of the well-known names that the bus said the client acquired.
  var acquiredNames = HashCounts()
  /// The well-known names that the client asked for and did not release.
  var requestedNames: ClientNames
  /// Names that the gate takes from the client.
  var releases: [NameRelease] = []
  /// What the client asked the driver about names, and has no answer to.
  var questions: [NameQuestion] = []
  /// The match rules that the client added.
  var matches: ClientMatches
  /// What names ask for; nil as long as no policy of this session had any.
  var names: NameWatch?
  /// Who owns which name, whatever of it this connection was told.
  let owners: OwnerDirectory
  /// The policy that ``names`` follows: its ``GatePolicy/Policy/identity``.
  var followedPolicy: UInt64 = 0
  /// Whether messages are judged the long way: names are followed, or nothing is filtered.
  var goesTheLongWay: Bool
  /// Whether BecomeMonitor was granted.
  var isMonitor = false

  let authDeadline: Instant
  var helloDeadline: Instant?
  var waitToClient = PartialWait()
  var waitToBus = PartialWait()
  /// How long neither side has taken the errors that it caused: two gates behind each other would wait like this for ever.
  var waitOfBoth = PartialWait()

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
    self.settings = settings
    self.owners = owners
    self.ownUID = ownUID
    knownBus = bus
    requestedNames = ClientNames(total: settings.namesTotal)
    matches = ClientMatches(total: settings.matchesTotal)
    goesTheLongWay = settings.isUnfiltered
    var options = ServerHandshake.Options()
    options.anonymous = settings.allowsAnonymous
    serverHandshake = ServerHandshake(peerUID: peerUID, options: options)
    ownToClient = LocalOutput(limit: settings.limits.ownOutputBytesMax)
    ownToBus = LocalOutput(limit: settings.limits.ownOutputBytesMax)
    outgoingCalls = ReplyTable(limit: settings.limits.pendingRepliesMax, seed: settings.seed, budget: budgets?.outgoing)
    incomingCalls = CallerTable(
      perCallerLimit: settings.limits.incomingCallsPerCallerMax, limit: settings.limits.incomingCallsMax, seed: settings.seed,
      budget: budgets?.incoming)
    authDeadline = now.advanced(byMilliseconds: settings.limits.authTimeout)
  }

  /// From now on each message is decided on by itself, as if there had been none like it. For tests: it is slower, and must change nothing.
  ///
  /// Called before the first message.
  package mutating func rememberNothing() {
    clientLanes.isOff = true
    busLanes.isOff = true
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
    switch side {
    case .client: receiveFromClient(bytes, descriptors: descriptors, policy: policy, into: &output)
    case .bus: receiveFromBus(bytes, descriptors: descriptors, policy: policy, into: &output)
    }
  }

  /// Calls in `direction` that were forwarded and not answered yet.
  public func pendingReplies(_ direction: Direction) -> Int {
    switch direction {
    case .outgoing: outgoingCalls.count
    case .incoming: incomingCalls.count
    }
  }

  /// Whether both handshakes are done.
  public var isOpen: Bool { clientPhase == .open && busPhase == .open }

  /// Whether the client has not authenticated yet, or not said Hello: it is to hurry, and has no connection to the bus.
  public var isAuthenticating: Bool { clientPhase == .handshake || busPhase == .absent }

  /// What the client is told of the bus.
  public var bus: BusIdentity? { knownBus }

  /// The client's unique name on the bus, as text for logs; empty until Hello is answered.
  public var name: String { String(decoding: uniqueName, as: UTF8.self) }

  /// Whether what was forwarded to `side` so far ends with the end of a message, so that the gate may say something itself.
  public func isAtMessageBoundary(to side: Side) -> Bool {
    switch side {
    case .client: fromBus.remaining == 0 || !fromBus.passes
    case .bus: fromClient.remaining == 0 || !fromClient.passes
    }
  }

  /// The gate's own bytes that wait for `side`: how many.
  public func localOutputCount(to side: Side) -> Int {
    switch side {
    case .client: ownToClient.count
    case .bus: ownToBus.count
    }
  }

  /// Calls `body` with the gate's own bytes that wait for `side`, oldest first.
  public func withLocalOutput<R>(to side: Side, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    switch side {
    case .client: unsafe ownToClient.withBytes(body)
    case .bus: unsafe ownToBus.withBytes(body)
    }
  }

  /// `count` of the gate's own bytes have left to `side`.
  public mutating func localOutputSent(_ count: Int, to side: Side) {
    switch side {
    case .client: ownToClient.removeFirst(count)
    case .bus: ownToBus.removeFirst(count)
    }
  }

  /// Whether messages from `side` may be dealt with as far as answers to them still find room.
  public func hasRoomForAnswers(to side: Side) -> Bool {
    switch side {
    case .client: ownToClient.hasRoom
    case .bus: ownToBus.hasRoom
    }
  }

  /// ``OwnerDirectory`` says something else than before: what was decided by owners is decided anew.
  ///
  /// - Parameter isObserverNew: Whether the gate's observer has another name, which no client may talk to.
  public mutating func ownersChanged(isObserverNew: Bool = false) {
    if names != nil || isObserverNew { forgetRoutines() }
  }

  /// Whether both sides are open, nothing of the gate's own waits to leave, and no time is counted: then ``countPartialWaits(receiverIsBusy:at:)``
  /// has nothing to count and there is no ``deadline``.
  public var isIdle: Bool {
    mutating get {
      clientPhase == .open && busPhase == .open && helloPhase == .answered && ownToClient.isEmpty && ownToBus.isEmpty
        && !fromClient.holdsDescriptors && !fromBus.holdsDescriptors && waitToClient.isIdle && waitToBus.isIdle
        && waitOfBoth.isIdle
    }
  }

  // MARK: Time

  /// When ``expire(at:)`` has to be called, at the latest.
  public var deadline: Instant? {
    mutating get { earliestDeadline() }
  }

  private mutating func earliestDeadline() -> Instant? {
    var earliest: Instant?
    func note(_ instant: Instant?) {
      if let instant, earliest.map({ instant < $0 }) ?? true { earliest = instant }
    }
    if isAuthenticating { note(authDeadline) }
    if helloPhase != .answered { note(helloDeadline) }
    note(partialDeadline(waitToClient))
    note(partialDeadline(waitToBus))
    note(partialDeadline(waitOfBoth))
    return earliest
  }

  /// What has taken too long, if anything has.
  public mutating func expire(at now: Instant) -> CloseReason? {
    if isAuthenticating && now >= authDeadline { return .authTimeout }
    if helloPhase != .answered, let helloDeadline, now >= helloDeadline { return .helloTimeout }
    if let deadline = partialDeadline(waitToClient), now >= deadline { return .partialMessageTimeout(.bus) }
    if let deadline = partialDeadline(waitToBus), now >= deadline { return .partialMessageTimeout(.client) }
    if let deadline = partialDeadline(waitOfBoth), now >= deadline { return .mutualWait }
    return nil
  }

  private mutating func partialDeadline(_ wait: PartialWait) -> Instant? {
    guard let since = wait.since else { return nil }
    let left = settings.limits.partialMessageTimeout - min(settings.limits.partialMessageTimeout, wait.accumulated)
    return since.advanced(byMilliseconds: left)
  }

  /// Starts, stops or goes on counting how long own output, or a descriptor, waits for the sender of an unfinished message.
  ///
  /// - Parameter receiverIsBusy: Whether it is the receiver that does not take what is there: that time does not count.
  public mutating func countPartialWaits(receiverIsBusy: (client: Bool, bus: Bool), at now: Instant) {
    // A client that sends its own socket with half a message and leaves is known to be gone by nothing else (CVE-2014-3637).
    let isClientBlocked = fromBus.holdsDescriptors || !ownToClient.isEmpty && !isAtMessageBoundary(to: .client)
    let isBusBlocked = fromClient.holdsDescriptors || !ownToBus.isEmpty && !isAtMessageBoundary(to: .bus)
    waitToClient.count(isClientBlocked, receiverIsBusy.client, now)
    waitToBus.count(isBusBlocked, receiverIsBusy.bus, now)
    waitOfBoth.count(!ownToClient.hasRoom && !ownToBus.hasRoom, false, now)
  }
}
