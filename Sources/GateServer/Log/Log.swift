// What the operator sees: errors, what happened to connections, and the decision log. Three things stand between an event and its
// reader, each of which counts what it keeps back: repetitions are coalesced (EventCoalescer), the rate is bounded (EventRate), and what
// the reader does not take waits in a bounded queue (LogQueue). Writing never waits.
//
// Used from the server's thread alone. The server tells what happened and what time it is; it calls `advance(to:)` and `flush()` once per
// wake-up, which cost nothing while there is nothing to write.

import CLinux
import DBusWire
import GatePolicy
import GateSession
import Glibc
import Synchronization

/// Events for people and their tools.
public final class Log {
  private let format: LogFormat
  private let options: LogOptions
  private var queue: LogQueue
  private var coalescer: EventCoalescer
  private var gates: [GateLog] = []
  private var nextNumber: UInt64 = 0
  private let seed = SeededHash()
  /// The time that the server gave last. This and the next are atomics because nothing that a class holds costs less to access.
  private let clock = Atomic<UInt64>(clinux_milliseconds())
  /// Whether there is something to write, or will be when time has passed.
  private let isBusy = Atomic<Bool>(false)
  private var now: Instant { Instant(milliseconds: clock.load(ordering: .relaxed)) }

  /// How often it is said how much the rate suppressed, in milliseconds.
  private static let suppressedInterval: UInt64 = 5_000

  /// Reasons of a refused reload that are written: all of thousands would leave the queue no room for what is more important. Untuned.
  private static let reasonsMax = 100

  /// How often, at the end, a reader is asked to take what is left, 10 ms apart.
  private static let lastAttempts = 20

  /// A log in text on a descriptor that stays the caller's.
  public init(fd: Int32) {
    options = LogOptions()
    format = .text
    queue = LogQueue(StreamSink(fd))
    coalescer = EventCoalescer(window: options.coalescingWindow)
  }

  /// A log as `options` want it. Throws if the journal cannot be reached.
  public init(_ options: LogOptions) throws(SystemError) {
    self.options = options
    format = options.format
    switch options.format {
    case .text, .json: queue = LogQueue(StreamSink(options.descriptor))
    case .journal: queue = LogQueue(try JournalSink(path: options.journalSocket))
    }
    coalescer = EventCoalescer(window: options.coalescingWindow)
  }

  deinit { queue.close() }

  /// Whether it is written to the journal.
  public var isJournal: Bool { format == .journal }

  /// Which of several programs this is, as ``LogOptions/instance`` said.
  public var instance: InstanceName? { options.instance }

  /// Events that could not be written since the start.
  public var lostCount: UInt64 { queue.lost }

  // MARK: Sentences

  /// An error that a person should mend.
  public func error(_ text: String) { write(LogEvent(.error, message: text)) }

  /// Something a person should know.
  public func warning(_ text: String) { write(LogEvent(.warning, message: text)) }

  /// Something that happened.
  public func note(_ text: String) { write(LogEvent(.note, message: text)) }

  /// What is wrong with a configuration, as `file:line:column: error: …`; in text as it is, so that editors jump to it.
  public func configuration(_ text: String, isError: Bool = true) {
    switch format {
    case .text: append(Array(TextFormat.printable(text).utf8) + [UInt8(ascii: "\n")])
    case .json, .journal: write(LogEvent(isError ? .error : .warning, message: text))
    }
  }

  /// The configuration was read again.
  public func reloaded() {
    var event = LogEvent(.reload)
    event.add(.outcome, "done")
    event.add(.message, "configuration reloaded")
    write(event)
  }

  /// The configuration was read again and is refused, for each of these reasons.
  public func reloadRefused(_ reasons: [String]) {
    for reason in reasons.prefix(Self.reasonsMax) { configuration(reason) }
    if reasons.count > Self.reasonsMax {
      error("\(reasons.count - Self.reasonsMax) more files are wrong; who asks for a reload is told all")
    }
    var event = LogEvent(.reload)
    event.add(.outcome, "refused")
    event.add(.message, "the reload was refused; the policy stays as it was")
    write(event)
  }

  // MARK: Connections

  /// A gate was added.
  func addGate(_ label: String) -> GateLog {
    let rate = EventRate(
      perSecond: options.eventsPerSecond, burst: options.eventsPerSecond * LogOptions.burstSeconds, at: now)
    let gate = GateLog(label, number: nextNumber, rate)
    nextNumber += 1
    gates.append(gate)
    return gate
  }

  /// A gate is gone: what was kept back in its name is said.
  func removeGate(_ gate: GateLog) {
    for repetitions in coalescer.removeAll(of: gate) { write(repetitions) }
    if gate.reportAt != nil { reportSuppressed(gate) }
    gates.removeAll { $0 === gate }
  }

  /// A client connected.
  func opened(_ client: inout ClientIdentity) {
    let key = key(&client, .opened)
    if coalescer.counts(key, of: client.number) { return }
    offer(client.log, key: key, of: client.number) { about(&client, .opened) }
  }

  /// A connection is over, and what it did.
  func closed(_ client: inout ClientIdentity, _ counters: SessionCounters, _ reason: CloseReason?) {
    let text = reason.map { "\($0)" } ?? "the gate ended it"
    let key = key(&client, .closed, text)
    if coalescer.counts(key, of: client.number, adding: [(.allowed, counters.allowed), (.denied, counters.denied)]) { return }
    offer(client.log, key: key, of: client.number) {
      var event = about(&client, .closed)
      event.add(.reason, text)
      event.add(.allowed, counters.allowed)
      event.add(.denied, counters.denied)
      return event
    }
  }

  /// Something that a connection needs failed.
  func failure(_ client: inout ClientIdentity, _ text: String) {
    let key = key(&client, .error, text)
    if coalescer.counts(key, of: client.number) { return }
    offer(client.log, key: key, of: client.number) {
      var event = about(&client, .error)
      event.add(.message, text)
      return event
    }
  }

  /// A bus's observer was lost, or is back.
  func observer(_ gate: GateLog?, isLoss: Bool, _ text: String) {
    offer(gate) { LogEvent(isLoss ? .error : .note, message: text) }
  }

  /// A client that may not connect.
  func refused(_ peer: PeerCredentials, _ gate: GateLog, _ text: String) {
    let key = seed.hash(gate.number, UInt64(peer.uid) | 1 << 32)
    if coalescer.counts(key, of: 0) { return }
    offer(gate, key: key) {
      var event = LogEvent(.warning)
      event.add(.gate, gate.label)
      event.add(.pid, peer.pid)
      event.add(.uid, peer.uid)
      event.add(.message, text)
      return event
    }
  }

  /// A client of the control socket that may not use it. Each user is logged once, then counted.
  func rejected(_ peer: PeerCredentials, _ text: String) {
    let key = seed.hash(UInt64.max, UInt64(peer.uid))
    guard let gate = gates.first, !coalescer.counts(key, of: 0) else { return }
    offer(gate, key: key) {
      var event = LogEvent(.warning)
      event.add(.pid, peer.pid)
      event.add(.uid, peer.uid)
      event.add(.message, text)
      return event
    }
  }

  /// A limit of a gate was hit.
  func limit(_ limit: LimitName, _ gate: GateLog, _ text: @autoclosure () -> String) {
    let key = seed.hash(gate.number, UInt64(limit.place))
    if coalescer.counts(key, of: 0) { return }
    offer(gate, key: key) {
      var event = LogEvent(.limit)
      event.add(.gate, gate.label)
      event.add(.limit, limit.name)
      event.add(.message, text())
      return event
    }
  }

  /// A limit was hit by a connection.
  func limit(_ limit: LimitName, _ client: inout ClientIdentity, _ text: @autoclosure () -> String) {
    let key = key(&client, .limit, limit.name)
    if coalescer.counts(key, of: client.number) { return }
    offer(client.log, key: key, of: client.number) {
      var event = about(&client, .limit)
      event.add(.limit, limit.name)
      event.add(.message, text())
      return event
    }
  }

  /// What events about clients have in common that are counted as one, as a number.
  private func key(_ client: inout ClientIdentity, _ kind: LogEvent.Kind, _ text: String = "") -> UInt64 {
    seed.hash(kin(&client), hash("\(kind.rawValue) \(text)"))
  }

  /// What a client has in common with those with which it is counted as one: its gate, its user, and its control group as far as that is
  /// known. So a container's short-lived clients are one, and none of them is counted as another container's.
  private func kin(_ client: inout ClientIdentity) -> UInt64 {
    if client.kin == 0 { client.kin = max(1, findKin(&client)) }
    return client.kin
  }

  @inline(never)
  private func findKin(_ client: inout ClientIdentity) -> UInt64 {
    let user = client.peer.map { UInt64($0.uid) } ?? .max
    return seed.hash(seed.hash(client.log.number, user), hash(client.cgroup))
  }

  private func hash(_ text: String) -> UInt64 {
    let bytes = Array(text.utf8)
    return seed.hash(unsafe bytes.span.bytes)
  }

  /// An event about a connection, with what is known of its client.
  private func about(_ client: inout ClientIdentity, _ kind: LogEvent.Kind) -> LogEvent {
    var event = LogEvent(kind)
    addClient(&client, to: &event)
    return event
  }

  private func addClient(_ client: inout ClientIdentity, to event: inout LogEvent) {
    event.add(.gate, client.log.label)
    event.add(.connection, client.number)
    guard let peer = client.peer else { return }
    event.add(.pid, peer.pid)
    event.add(.uid, peer.uid)
    let cgroup = client.cgroup
    if !cgroup.isEmpty { event.add(.cgroup, cgroup) }
  }

  // MARK: Decisions

  /// A decision about the message at `decision.offset` of `bytes`.
  func decision(
    _ decision: DecisionRecord, _ bytes: RawSpan, _ side: Side, _ policy: Policy, _ client: inout ClientIdentity,
    _ session: borrowing Session
  ) {
    let bytes = bytes.extracting(Int(decision.offset)..<bytes.byteCount)
    var message = DecidedMessage(bytes, decision.verdict, from: side)
    if side == .client && decision.verdict.action != .allow { message.about = session.nameAsked(by: bytes, message.header) }
    let key = message.key(bytes, seed, kin: kin(&client), policy: policy.identity)
    if coalescer.counts(key, of: client.number) { return }
    if !client.log.admits(.decision, passes: decision.verdict.action == .allow, at: now) {
      suppress(client.log, decisions: 1)
      return
    }
    var event = LogEvent(.decision)
    event.add(.verdict, "\(decision.verdict.action)")
    addClient(&client, to: &event)
    let peerName = session.wellKnownName(of: bytes.bytes(in: message.peer))
    event.describe(message, bytes, name: session.name, peerName: peerName)
    event.explain(message, bytes, by: policy)
    write(event)
    let evicted = coalescer.remember(key, event, of: client.number, gate: client.log, at: now)
    if let evicted { write(evicted) }
  }

  // MARK: Coalescing and rate

  /// Writes an event about a connection or a gate if the rate allows, and coalesces its repetitions if it has a key.
  private func offer(_ gate: GateLog?, key: UInt64? = nil, of connection: UInt64 = 0, _ event: () -> LogEvent) {
    if let gate, !gate.admits(.note, passes: false, at: now) {
      suppress(gate, connections: 1)
      return
    }
    let event = event()
    write(event)
    guard let key, let evicted = coalescer.remember(key, event, of: connection, gate: gate, at: now) else { return }
    write(evicted)
  }

  private func suppress(_ gate: GateLog, decisions: Int = 0, connections: Int = 0) {
    gate.suppress(decisions: decisions, connections: connections, reportAt: now.advanced(byMilliseconds: Self.suppressedInterval))
    isBusy.store(true, ordering: .relaxed)
  }

  /// Writes one event for several; they are suppressed as others are.
  private func write(_ repetitions: EventCoalescer.Repetitions) {
    let count = repetitions.count
    let isDecision = repetitions.event.kind == .decision
    let passes = repetitions.event[.verdict] == .text("allow")
    if let gate = repetitions.gate, !gate.admits(repetitions.event.kind, passes: passes, at: now) {
      suppress(gate, decisions: isDecision ? count : 0, connections: isDecision ? 0 : count)
      return
    }
    var event = repetitions.event
    event.become(count: count, otherClients: repetitions.others)
    write(event)
  }

  private func reportSuppressed(_ gate: GateLog) {
    var event = LogEvent(.suppressed)
    event.add(.gate, gate.label)
    event.add(.decisions, gate.suppressedDecisions)
    event.add(.connections, gate.suppressedConnections)
    gate.noteReport()
    write(event)
  }

  // MARK: Time

  /// When there is something to write even if nothing happens.
  var deadline: Instant? { isBusy.load(ordering: .relaxed) ? earliestDeadline() : nil }

  private func earliestDeadline() -> Instant? {
    var earliest = Deadline()
    earliest.note(coalescer.deadline)
    for gate in gates { earliest.note(gate.reportAt) }
    if !queue.isGone && !(queue.isEmpty && queue.unreported == 0) { earliest.note(queue.retryAt ?? now) }
    return earliest.instant
  }

  /// Time has passed: windows end.
  func advance(to now: Instant) {
    clock.store(now.milliseconds, ordering: .relaxed)
    if isBusy.load(ordering: .relaxed) { finishWindows(at: now) }
  }

  private func finishWindows(at now: Instant) {
    while let repetitions = coalescer.expire(at: now) { write(repetitions) }
    for gate in gates {
      if let at = gate.reportAt, now >= at { reportSuppressed(gate) }
    }
  }

  /// The end: nothing is kept back any more. ``Server/run()`` calls it; waits for a slow reader a fifth of a second.
  public func finish() {
    for repetitions in coalescer.removeAll(of: nil) { write(repetitions) }
    for gate in gates where gate.reportAt != nil { reportSuppressed(gate) }
    // No client waits any more, so a reader that is only slow gets a moment for the rest.
    for _ in 0..<Self.lastAttempts {
      queue.hurry()
      writeQueue()
      if queue.isEmpty || queue.isGone { return }
      usleep(10_000)
    }
  }

  private func write(_ event: LogEvent) { append(format.write(event, of: options.instance)) }

  private func append(_ record: [UInt8]) {
    queue.append(record)
    isBusy.store(true, ordering: .relaxed)
  }

  /// Writes what the reader takes without waiting.
  func flush() {
    if isBusy.load(ordering: .relaxed) { writeQueue() }
  }

  private func writeQueue() {
    let (format, instance) = (self.format, options.instance)
    queue.flush(at: now) { lost in
      var event = LogEvent(.lost)
      event.add(.lost, lost)
      return format.write(event, of: instance)
    }
    if earliestDeadline() == nil { isBusy.store(false, ordering: .relaxed) }
  }
}
