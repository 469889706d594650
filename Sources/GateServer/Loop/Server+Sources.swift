// Event sources, as whoever has one sees the server.

import GateSession

extension Server {
  /// Watches `fd`, which stays the caller's, until ``unwatch(_:)``; calls `handle` with what happens to it. Throws if the kernel can't watch it,
  /// as with EPERM a file, which is always ready.
  ///
  /// - Parameter interest: What to wait for; that the other end is closed is told in any case.
  @discardableResult
  public mutating func watch(
    _ fd: Int32, for interest: EventSource.Events = .readable, _ handle: @escaping EventSource.Handler
  ) throws(SystemError) -> EventSource.ID {
    let bits = (interest.contains(.readable) ? PollSet.readable : 0) | (interest.contains(.writable) ? PollSet.writable : 0)
    defer { finishCall() }
    return try addSource(fd, bits, handle)
  }

  /// Watches no more. The descriptor stays open.
  public mutating func unwatch(_ id: EventSource.ID) { sources.remove(id) }

  /// Calls `beat` every `interval` milliseconds as long as the loop goes round.
  public mutating func setHeartbeat(every interval: UInt64, _ beat: @escaping () -> Void) {
    beginCall()
    let first = io.now.advanced(byMilliseconds: interval)
    _ = addTimer(at: first) { server, id, _ in
      server.sources.setDeadline(id, server.io.now.advanced(byMilliseconds: interval))
      beat()
    }
    finishCall()
  }

  /// Registers a descriptor with what is to be called.
  mutating func addSource(
    _ fd: Int32, _ interest: UInt32, deadline: Instant? = nil, _ handle: @escaping EventSource.Handler
  ) throws(SystemError) -> EventSource.ID {
    try sources.add(fd, interest, deadline: deadline, handle)
  }

  /// Registers something that is due at an instant, once it has one.
  mutating func addTimer(at deadline: Instant? = nil, _ handle: @escaping EventSource.Handler) -> EventSource.ID {
    sources.addTimer(at: deadline, handle)
  }

  /// Tells a source what happened to it, if it is still there.
  mutating func handle(_ id: EventSource.ID, _ events: EventSource.Events) { sources.handler(of: id)?(&self, id, events) }
}
