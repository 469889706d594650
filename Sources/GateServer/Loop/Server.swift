// Gates in one event loop. Everything happens on the thread that calls run() or dispatch(), one wake-up after the other:
//
//   1. events: of connections, each of which does its own input and output, and notes what it wants of others (Connection/Connection+*.swift); of
//      everything else, each by its own handler (Loop/EventSource.swift)
//   2. the server acts on what connections noted (Connection/Server+Connections.swift, Gate/Server+Bus*.swift, Gate/Server+Observer.swift): before a
//      handler is called, and at the end
//   3. what is due, and 2 again
//
// Nothing of a connection is called from another's work. Nothing here touches the process as a whole: signals, umask, limits and environment
// are its program's.

import CLinux
import GatePolicy
import GateSession
import Glibc

/// Runs gates.
public struct Server: ~Copyable {
  var loop: EventLoop
  var sources: SourceTable
  var connections = ConnectionTable()
  var gates = Slab<Gate>()
  /// The buses of the gates, each once.
  var buses = Slab<Bus>()
  /// What connections do their input and output with.
  var io: IOContext
  /// Gates that are draining.
  var draining: [GateID] = []
  /// Buses that are to be seen to before the loop waits again.
  var busesToSee: [BusID] = []
  /// Whether some gate, or admin socket, does not accept because descriptors ran out.
  var isAcceptingPaused = false
  /// What is counted besides what gates count.
  var metrics = Metrics()
  /// Sockets for metrics and for control.
  var admin: [AdminListener] = []
  /// Reloads that were asked for on the control socket.
  var reloadRequestCount: UInt64 = 0
  /// How the loop stands.
  private var phase = Phase.rests
  /// Whether nothing but forwarding happened since the loop last waited: no deadline was set, and nothing has to be looked after.
  private var onlyForwarded = false
  /// The earliest of all deadlines.
  private var nextLook = Deadline()
  /// How far it is in stopping.
  private var stopping = Stopping.no

  /// The version that status and metrics tell.
  public var version = "unknown"
  /// Called once when stopping begins.
  public var onDraining: () -> Void = {}
  /// Called when a gate that was added with `retrying` accepts at last, or can't for another reason.
  public var onListening: (inout Server, _ label: String) -> Void = { _, _ in }
  /// Called when a reload is asked for on the control socket; ``answer(_:_:)`` ends the wait. Nil: such requests are refused.
  public var onReloadRequest: ((inout Server, ReloadRequest) -> Void)?

  private enum Phase { case rests, dispatches }
  private enum Stopping { case no, drains, atOnce }

  /// A server without gates. Throws if the kernel has no descriptors for it.
  public init(log: Log) throws(SystemError) {
    loop = try EventLoop.make()
    sources = SourceTable(loop.poll)
    io = IOContext(poll: loop.poll, log: log)
  }

  // MARK: The loop

  /// A descriptor that is readable when ``dispatch()`` has something to do: for a host's own loop. Not to be read, nor to be closed.
  public var fileDescriptor: Int32 { loop.poll.fd }

  /// Does what can be done without waiting.
  ///
  /// - Returns: How many events were dealt with. There may be more: then the descriptor is still readable.
  @discardableResult
  public mutating func dispatch() throws(SystemError) -> Int {
    precondition(phase == .rests, "dispatch() was called from a handler")
    phase = .dispatches
    defer { phase = .rests }
    onlyForwarded = false
    let count = goRound(once: true)
    rearm()
    if count < 0 { throw SystemError("cannot wait for events", Int32(count)) }
    return count
  }

  /// Serves until ``stop()`` was called and what was allowed is delivered, or `drain-timeout` has passed.
  public mutating func run() throws(SystemError) {
    precondition(phase == .rests, "run() was called from a handler")
    phase = .dispatches
    defer { phase = .rests }
    let result = goRound(once: false)
    if result < 0 { throw SystemError("cannot wait for events", Int32(result)) }
    closeAll()
    io.log.finish()
  }

  /// Wake-ups until the server is stopped; or one that does not wait. Returns how many events the last one had, or -errno.
  private mutating func goRound(once: Bool) -> Int {
    var count = 0
    repeat {
      // After mere forwarding the timer stands as it did, and nothing is due.
      let mayWait = onlyForwarded || (!once && lookAhead())
      count = loop.wait(blocks: mayWait)
      if count < 0 { break }
      io.now = Instant(milliseconds: clinux_milliseconds())
      io.log.advance(to: io.now)
      onlyForwarded = !nextLook.isDue(at: io.now)
      let woken = metrics.timesWakeups ? clinux_nanoseconds() : 0
      for index in 0..<count {
        let (token, events) = loop.event(index)
        if case .connection(let id, let side) = token { handle(id, side, events) } else { handle(token, events) }
      }
      if !onlyForwarded { finishWakeup() }
      if metrics.timesWakeups && count > 0 { metrics.wakeups.observe(nanoseconds: clinux_nanoseconds() &- woken) }
    } while !once && !isStopped
    return count
  }

  /// Sees to what is not done yet, and sets the timer. Whether the loop may wait for it.
  @inline(never)
  private mutating func lookAhead() -> Bool {
    look()
    // What was seen to may have been the last thing to do.
    if isStopped || nextLook.isDue(at: io.now) { return false }
    loop.timer.expire(at: nextLook.instant)
    return true
  }

  /// Deals with an event of what is no connection. What connections left to do before is done first: a client that ended makes room for the next.
  @inline(never)
  private mutating func handle(_ token: EventToken, _ events: UInt32) {
    onlyForwarded = false
    act()
    switch token {
    case .connection: break
    case .timer: loop.timer.wentOff()
    case .source(let id): handle(id, EventSource.Events(epoll: events))
    }
  }

  /// What is to be done besides forwarding.
  @inline(never)
  private mutating func finishWakeup() {
    act()
    for id in sources.expired(at: io.now) {
      handle(id, .expired)
      act()
    }
    expireConnections()
    act()
  }

  /// More than forwarding happened.
  @inline(__always)
  mutating func noteMoreThanForwarding() { onlyForwarded = false }

  /// Splicing keeps something for a while, and has to be asked back.
  mutating func noteLook(at instant: Instant?) {
    nextLook.note(instant)
    loop.timer.expire(at: nextLook.instant)
  }

  /// Finds out when something is due.
  private mutating func look() {
    act()
    io.log.flush()
    nextLook.clear()
    nextLook.note(io.deadline.instant)
    nextLook.note(io.splicePool.expiry)
    nextLook.note(sources.deadline.instant)
    nextLook.note(io.log.deadline)
  }

  /// Has the descriptor be readable when something is due.
  private mutating func rearm() {
    look()
    loop.timer.expire(at: nextLook.instant)
  }

  /// The beginning of each call from outside by which something becomes due later: the host may have been elsewhere for long.
  mutating func beginCall() {
    if phase == .rests { io.now = Instant(milliseconds: clinux_milliseconds()) }
  }

  /// The end of each call from outside that changes something: what follows from it is done at once, or by the wake-up in progress.
  mutating func finishCall() {
    if phase == .dispatches { return }
    rearm()
    onlyForwarded = false
  }

  // MARK: The end

  /// Whether ``stop()`` was called and there is nothing more to do.
  public var isStopped: Bool {
    switch stopping {
    case .no: false
    case .drains: gates.count == 0
    case .atOnce: true
    }
  }

  /// Whether ``stop()`` was called.
  public var isStopping: Bool { stopping != .no }

  /// Begins to stop: the sockets are removed, and clients are closed as soon as what they are still to get is delivered. A
  /// second call ends at once.
  public mutating func stop() {
    beginCall()
    if isStopping {
      stopping = .atOnce
      closeAll()
      finishCall()
      return
    }
    stopping = .drains
    onDraining()
    closeAdmin()
    for gate in allGates where hasGate(gate) {
      let timeout = gates[gate.place].options.settings.limits.drainTimeout
      // One that drains already may have less time left, never more.
      if let until = gates[gate.place].drainsUntil, until <= io.now.advanced(byMilliseconds: timeout) { continue }
      removeGate(gate, drain: timeout)
    }
    finishCall()
  }

  /// Stops when the other end of `fd`, a pipe or a socket, is closed. Anything else, such as a file, never is. The descriptor
  /// stays the caller's, who may not close it before ``run()`` has returned.
  public mutating func stopWhenClosed(_ fd: Int32) throws(SystemError) {
    // Asked for nothing, epoll still tells of errors and of the end.
    do throws(SystemError) {
      try watch(fd, for: []) { server, id, _ in
        server.unwatch(id)
        if !server.isStopping { server.stop() }
      }
    } catch {
      if error.number != EPERM { throw error }
    }
  }

  /// Closes everything at once.
  private mutating func closeAll() {
    closeAdmin()
    for gate in allGates { removeGate(gate, drain: 0) }
    act()
  }
}
