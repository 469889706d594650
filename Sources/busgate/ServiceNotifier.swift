// Telling the service manager how we are: READY, RELOADING, STOPPING, STATUS, WATCHDOG over NOTIFY_SOCKET. Source: sd_notify(3).

import CLinux
import GateServer
import Glibc

/// Sends notifications to the service manager; without one nothing is sent.
struct ServiceNotifier: Sendable {
  private let socket: UnixSocketName?
  /// Milliseconds between two WATCHDOG=1; nil: the manager asks for none. It is a third of the manager's timeout, so that two
  /// arrive within it even if one is late.
  let watchdogInterval: UInt64?

  /// Reads the environment, and takes the variables out of it: no child process may notify in the gate's name.
  init() {
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

  /// All sockets accept.
  func ready(_ status: String) { send("READY=1\nSTATUS=\(Self.line(status))") }

  /// How it stands, in a sentence. Does not wait for a manager that does not read: clients are served meanwhile.
  func status(_ text: String) { send("STATUS=\(Self.line(text))", waits: false) }

  /// A reload has begun; ``ready(_:)`` ends it, whatever came of it.
  func reloading() { send("RELOADING=1\nMONOTONIC_USEC=\(clinux_monotonic_microseconds())") }

  /// Draining has begun.
  func stopping() { send("STOPPING=1") }

  /// The loop is alive. Does not wait for a manager that does not read, since it is said again soon.
  func alive() { send("WATCHDOG=1", waits: false) }

  /// Waits a second for a manager that is slow to read: its socket may queue as few as ten messages, and to a manager that misses
  /// one a reload would not end.
  private func send(_ text: String, waits: Bool = true) {
    guard let socket else { return }
    let fd = clinux_socket_datagram(1000)
    if fd < 0 { return }
    defer { close(fd) }
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
