// How a server ends. Nothing more is accepted, and nothing is read but the rest of messages that are half delivered. What was
// allowed is still delivered.

import CLinux
import GateSession
import Glibc

extension Server {
  /// How far a server is in draining.
  enum Draining: Equatable {
    case no
    /// Until everything is delivered, or this instant.
    case until(Instant)
    /// Nothing is waited for.
    case atOnce
  }

  /// Whether there is nothing more to do.
  var isStopped: Bool {
    mutating get {
      switch draining {
      case .no: return false
      case .until(let until): return now >= until || gates.allSatisfy { $0.connectionCount == 0 }
      case .atOnce: return true
      }
    }
  }

  /// Logs that connections were not done when the time was over.
  mutating func sayUndelivered() {
    guard case .until = draining else { return }
    for gate in gates.indices where gates[gate].connectionCount > 0 {
      hit(.drainTimeout, gate: gate)
      log.limit(.drainTimeout, gate: gate, "\(gates[gate].connectionCount) connections are closed that were not done")
    }
  }

  /// Begins draining: the sockets are removed, and clients are closed as soon as what they are still to get is delivered. A
  /// second call ends at once.
  public mutating func stop() {
    if draining != .no {
      draining = .atOnce
      return
    }
    let timeout = gates.map { $0.options.settings.limits.drainTimeout }.max() ?? 0
    draining = .until(now.advanced(byMilliseconds: timeout))
    onDraining()
    closeAdminSockets()
    for gate in gates.indices where !gates[gate].isClosed {
      gates[gate].isClosed = true
      // An inherited socket lives on in the service manager, so its events would too.
      _ = clinux_epoll_control(epoll, EPOLL_CTL_DEL, gates[gate].listener.fd, 0, 0)
      gates[gate].listener.close()
    }
    for index in unsafe slots.indices {
      if let slot = unsafe slots[index] { unsafe updatePollInterest(of: slot) }
    }
  }

  /// Stops when the other end of `fd`, a pipe or a socket, is closed. Anything else, such as a file, never is. The descriptor
  /// stays the caller's, who may not close it before ``run()`` has returned.
  public mutating func stopWhenClosed(_ fd: Int32) throws(SystemError) {
    // Asked for nothing, epoll still tells of errors and of the end.
    let result = clinux_epoll_control(epoll, EPOLL_CTL_ADD, fd, 0, EventToken.syncDescriptor.bits)
    if -result == EPERM { return }
    if result < 0 { throw SystemError("cannot watch descriptor \(fd)", result) }
    syncDescriptor = fd
  }

  mutating func syncDescriptorClosed() {
    // Else epoll reports it again and again.
    _ = clinux_epoll_control(epoll, EPOLL_CTL_DEL, syncDescriptor, 0, 0)
    if draining == .no { stop() }
  }

  /// Whether nothing that was decided on waits to be sent.
  func isDelivered(_ slot: UnsafeMutablePointer<Connection>) -> Bool {
    for side in [Side.client, .bus] {
      let pipe = unsafe slot.pointee.pipe(from: side.other)
      if unsafe isHalfway(slot, from: side.other) { return false }
      if unsafe pipe.pointee.hasUnsent && !pipe.pointee.isWriteClosed { return false }
      let hasLocalOutput = unsafe slot.pointee.session.localOutputCount(to: side) > 0
      if unsafe hasLocalOutput && !pipe.pointee.isWriteClosed && slot.pointee.session.isAtMessageBoundary(to: side) {
        return false
      }
    }
    return true
  }

  /// Whether the end of a message from `side` is missing, of which its receiver has the beginning.
  func isHalfway(_ slot: UnsafeMutablePointer<Connection>, from side: Side) -> Bool {
    let pipe = unsafe slot.pointee.pipe(from: side)
    return unsafe !pipe.pointee.isWriteClosed && !pipe.pointee.isAtEnd
      && !slot.pointee.session.isAtMessageBoundary(to: side.other)
  }

  /// Calls the heartbeat when it is due.
  mutating func keepBeating() {
    guard let current = heartbeat, now >= current.next else { return }
    heartbeat = (now.advanced(byMilliseconds: current.interval), current.interval, current.beat)
    current.beat()
  }
}
