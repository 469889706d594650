// Telling the service manager how we are: READY, RELOADING, STOPPING, STATUS, WATCHDOG over NOTIFY_SOCKET. Source: sd_notify(3).

import CLinux
import Glibc

/// The service manager's ear; deaf if there is none.
public struct ServiceNotifier: Sendable {
  private let socket: UnixSocketName?
  /// Milliseconds between two WATCHDOG=1, a third of what the manager waits, so that it hears two in that time even if one is late; nil:
  /// it does not ask.
  public let watchdogInterval: UInt64?

  /// What the environment says, which then says it no more: no child of ours may speak in our name.
  public init() {
    let socket = Self.take("NOTIFY_SOCKET")
    switch socket?.utf8.first {
    case UInt8(ascii: "/"): self.socket = UnixSocketName(path: socket ?? "")
    case UInt8(ascii: "@"): self.socket = UnixSocketName(abstract: Array((socket ?? "").utf8.dropFirst()))
    default: self.socket = nil
    }
    let microseconds = Self.take("WATCHDOG_USEC").flatMap { UInt64($0) }
    let pid = Self.take("WATCHDOG_PID")
    if let microseconds, microseconds > 0, microseconds < .max, pid == nil || pid == "\(getpid())", self.socket != nil {
      watchdogInterval = max(1, microseconds / 3000)
    } else {
      watchdogInterval = nil
    }
  }

  /// Every socket accepts.
  public func ready(_ status: String) { send("READY=1\nSTATUS=\(Self.line(status))") }

  /// A reload has begun; ``ready(_:)`` ends it, whatever came of it.
  public func reloading() { send("RELOADING=1\nMONOTONIC_USEC=\(clinux_monotonic_microseconds())") }

  /// The end has begun.
  public func stopping() { send("STOPPING=1") }

  /// The loop still goes round. Said again soon, so that nobody waits for a manager that does not listen.
  public func alive() { send("WATCHDOG=1", waits: false) }

  /// Waits a second for a manager that is slow to listen: it may let as few as ten messages wait, and one that it never hears would
  /// leave it with a reload that does not end.
  private func send(_ text: String, waits: Bool = true) {
    guard let socket else { return }
    let fd = clinux_socket_datagram(1000)
    if fd < 0 { return }
    defer { closeDescriptor(fd) }
    // A manager that does not listen is no reason to stop serving.
    if socket.connect(fd) != 0 { return }
    let bytes = Array(text.utf8)
    _ = unsafe bytes.withUnsafeBytes {
      unsafe waits ? clinux_write(fd, $0.baseAddress!, $0.count) : clinux_send_now(fd, $0.baseAddress!, $0.count)
    }
  }

  private static func line(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }

  private static func take(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    unsafe unsetenv(name)
    return text.isEmpty ? nil : text
  }
}
