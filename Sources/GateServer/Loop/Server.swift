// The event loop: one thread, one epoll set, any number of gates. This file is the table of contents; what happens to a
// connection stands in Connection/Server+*.swift, what happens to gates and buses in Gate.
//
// How epoll is used. Every socket is registered level-triggered under a token (EventToken.swift): an event says "there is something", again
// and again until it was dealt with, so that one read of at most one buffer per wake-up is enough and no connection can keep the
// loop to itself. A socket's interest changes only when its pipe blocks or unblocks. A peer that hung up is reported whether one
// asks or not; a socket that is not being read then leaves the set, or the loop would spin.

import CLinux
import GatePolicy
import GateSession
import Glibc

/// Runs gates. Everything happens on the thread that calls ``run()``.
@safe
public struct Server: ~Copyable {
  let epoll: Int32
  var gates: [Gate] = []
  /// The buses of the gates, each once.
  var buses: [Bus] = []
  /// When one of their observers has to be looked after.
  var observerDeadline: Instant?
  /// Whether observers have to be looked after at once.
  var observersWantCare = false
  /// Connections by index; nil where there is none.
  var slots: [UnsafeMutablePointer<Connection>?] = unsafe []
  var freeSlots: [Int] = []
  /// The most connections since memory was given back.
  var mostConnections = 0
  /// Connections that ended during this wake-up: their memory goes when all events are dealt with.
  var ended: [UnsafeMutablePointer<Connection>] = unsafe []
  var nextGeneration: UInt32 = 1
  var nextNumber: UInt64 = 1
  var pool = BufferPool()
  var splicePool = SplicePool()
  var output = Output()
  /// iovec and descriptors of the send in progress.
  var batch = SendBatch()
  /// Room for what one recvmsg may bring.
  let received = UnsafeMutablePointer<Int32>.allocate(capacity: Limits.kernelDescriptorsMax)
  var now = Instant(milliseconds: clinux_milliseconds())
  /// The earliest deadline of a connection.
  var nextDeadline: Instant?
  var timer: LoopTimer
  /// The earliest of all deadlines that were set before the loop last waited.
  var nextLook: Instant?
  /// Whether nothing but forwarding happened since the loop last waited: no deadline was set, and nothing has to be looked after.
  var onlyForwarded = false
  /// When accepting or connecting that failed for lack of something is tried again.
  var retryAt: Instant?
  /// When the first of the probes of buses has taken too long.
  var probeDeadline: Instant?
  /// When a client that keeps others out may be evicted.
  var roomAt: Instant?
  let log: Log
  /// What is counted.
  var metrics = Metrics()
  /// Sockets for metrics and for control.
  var adminSockets: [AdminSocket] = []
  var nextAdminID: UInt32 = 0
  /// When one of their clients has to be looked at.
  var adminDeadline: Instant?
  /// The version that these tell.
  public var version = "unknown"
  var signals: Int32 = -1
  var input: StandardInput?
  /// A descriptor whose other end's closing stops the server; -1: none.
  var syncDescriptor: Int32 = -1
  /// How far the server is in draining.
  var draining = Draining.no
  /// When the heartbeat is due, how often it comes in milliseconds, and what it calls.
  var heartbeat: (next: Instant, interval: UInt64, beat: () -> Void)?
  /// Called once when draining begins.
  public var onDraining: () -> Void = {}
  /// Called on a signal that the loop does not handle itself.
  var onSignal: (inout Server, Int32) -> Void = { _, _ in }

  /// A server without gates. Throws if the kernel has no epoll descriptor for it.
  public init(log: Log) throws(SystemError) {
    let fd = clinux_epoll_create()
    if fd < 0 { throw SystemError("cannot make an epoll descriptor", fd) }
    epoll = fd
    timer = LoopTimer(epoll: fd)
    self.log = log
  }

  deinit {
    for index in unsafe slots.indices {
      guard let slot = unsafe slots[index] else { continue }
      unsafe slot.pointee.closeDescriptors()
      unsafe slot.deinitialize(count: 1)
      unsafe slot.deallocate()
    }
    for gate in gates where !gate.isClosed { gate.listener.close() }
    for bus in buses { closeDescriptor(bus.probe?.fd ?? -1) }
    for socket in adminSockets { socket.close() }
    for bus in buses where bus.observer.isOpen { bus.observer.close() }
    unsafe received.deallocate()
    closeDescriptor(signals)
    closeDescriptor(epoll)
  }

  /// Adds a gate, which accepts from then on.
  ///
  /// - Returns: Its number, for ``setPolicy(_:ofGate:)``.
  @discardableResult
  public mutating func addGate(_ options: GateOptions) throws(ListenFailure) -> Int {
    let listener = try Self.listen(options.address, options.socketFile)
    let result = clinux_epoll_control(
      epoll, EPOLL_CTL_ADD, listener.fd, EPOLLIN.rawValue, EventToken.listener(gate: gates.count).bits)
    if result < 0 {
      listener.close()
      throw .system(SystemError("cannot watch \(listener.name)", result))
    }
    let bus = bus(for: options)
    gates.append(Gate(options, bus: bus, listener))
    log.addGate(options.label)
    metrics.gates.append(GateMetrics())
    policiesChanged(ofBus: bus)
    return gates.count - 1
  }

  /// The policy in force at a gate.
  public func policy(ofGate gate: Int) -> Policy { gates[gate].policy }

  /// Puts another policy in force, for every live connection too, from its next message on.
  public mutating func setPolicy(_ policy: Policy, ofGate gate: Int) {
    gates[gate].policy = policy
    policiesChanged(ofBus: gates[gate].bus)
    for index in unsafe slots.indices {
      guard let slot = unsafe slots[index], unsafe slot.pointee.gate == gate else { continue }
      if let reason = unsafe slot.pointee.session.policyChanged(to: policy) {
        unsafe end(slot, reason)
      } else if unsafe slot.pointee.session.localOutputCount(to: .bus) > 0 {
        unsafe updatePollInterest(of: slot)
      }
    }
    releaseEnded()
  }

  /// Handles these signals in the loop; SIGTERM and SIGINT stop it, others go to `handler`. They are blocked for the process.
  public mutating func handleSignals(
    _ numbers: [Int32], _ handler: @escaping (inout Server, Int32) -> Void = { _, _ in }
  ) throws(SystemError) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in numbers { unsafe sigaddset(&set, number) }
    let fd = unsafe clinux_signals(&set)
    if fd < 0 { throw SystemError("cannot handle signals", fd) }
    signals = fd
    onSignal = handler
    let result = clinux_epoll_control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN.rawValue, EventToken.signals.bits)
    if result < 0 { throw SystemError("cannot watch signals", result) }
  }

  /// Where a gate listens.
  public func listeningName(ofGate gate: Int) -> String { gates[gate].listener.name }

  /// Calls `beat` every `interval` milliseconds as long as the loop goes round.
  public mutating func setHeartbeat(every interval: UInt64, _ beat: @escaping () -> Void) {
    heartbeat = (now.advanced(byMilliseconds: interval), interval, beat)
  }

  /// Serves until ``stop()`` has been called and what was allowed is delivered, or `drain-timeout` has passed.
  public mutating func run() throws(SystemError) {
    let capacity: Int32 = 64
    let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Int(capacity))
    unsafe events.initialize(repeating: epoll_event(), count: Int(capacity))
    defer { unsafe events.deallocate() }
    lookAfterObservers()
    while !isStopped {
      if !onlyForwarded {
        log.flush()
        nextLook = earliestDeadline()
      }
      let count = unsafe clinux_epoll_wait(epoll, events, capacity, timer.timeout(until: nextLook, at: now))
      now = Instant(milliseconds: clinux_milliseconds())
      log.advance(to: now)
      onlyForwarded = nextLook.map { now < $0 } ?? true
      let woken = metrics.timesWakeups ? clinux_nanoseconds() : 0
      if count < 0 && -count != EINTR { throw SystemError("cannot wait for events", count) }
      for i in 0..<max(0, Int(count)) {
        unsafe handle(EventToken(bits: clinux_epoll_token(events + i)), events[i].events)
      }
      if !onlyForwarded {
        lookAfterObservers()
        expireDeadlines()
        releaseEnded()
        keepBeating()
      }
      if metrics.timesWakeups && count > 0 { metrics.wakeups.observe(nanoseconds: clinux_nanoseconds() &- woken) }
    }
    sayUndelivered()
    closeConnections()
    releaseEnded()
    log.finish()
  }

  private mutating func handle(_ token: EventToken, _ events: UInt32) {
    if case .connection(let index, let generation, let side) = token {
      if let slot = unsafe connection(index, generation) { unsafe handle(slot, side, events) }
      return
    }
    onlyForwarded = false
    switch token {
    case .connection: break
    case .listener(let gate):
      accept(gate: gate)
      if events & EPOLLHUP.rawValue != 0 { closeToNewClients(gate: gate) }
    case .signals:
      handleSignals()
    case .standardInput:
      readInput()
    case .syncDescriptor:
      syncDescriptorClosed()
    case .timer:
      timer.wentOff()
    case .observer(let bus):
      handleObserver(bus)
    case .busProbe(let bus):
      readProbe(bus)
    case .adminListener(let service):
      acceptAdminClients(service)
    case .adminClient(let service, let id):
      handleAdminClient(service, id: id, events)
    }
  }

  /// Calls `body` with each connection there is; it may end that one or others.
  func forEachConnection(_ body: (UnsafeMutablePointer<Connection>) -> Void) {
    for index in unsafe slots.indices {
      if let slot = unsafe slots[index] { unsafe body(slot) }
    }
  }

  /// The connection that a token means, if it is still there.
  func connection(_ index: Int, _ generation: UInt32) -> UnsafeMutablePointer<Connection>? {
    guard unsafe index < slots.count, let slot = unsafe slots[index] else { return nil }
    return unsafe slot.pointee.generation == generation ? slot : nil
  }

  /// Handles the signals that have come, each once, and those that stop the server first. What comes meanwhile waits for its turn
  /// behind everything else, so that no signal can keep clients or the end waiting, however often it comes.
  private mutating func handleSignals() {
    let handler = onSignal
    var others: [Int32] = []
    while true {
      let number = clinux_next_signal(signals)
      if number == 0 || others.contains(number) { break }
      if number == SIGTERM || number == SIGINT { stop() } else { others.append(number) }
    }
    for number in others where draining == .no { handler(&self, number) }
  }
}
