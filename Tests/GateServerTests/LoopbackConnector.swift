// A way to connect that takes its time, which no transport of this version does: TCP on this machine.

import DBusWire
import GateSession
import Glibc

@testable import GateServer

/// TCP to a port of 127.0.0.1. Connections are in progress at first, as loopback's are answered once connect(2) has returned.
struct LoopbackConnector: BusConnector {
  static let transport = Transport(name: "tcp", carriesDescriptors: false, carriesCredentials: false)
  static let forms: [String] = []

  let port: UInt16

  init(port: UInt16) { self.port = port }
  init(_ address: BusAddress, in text: String) throws(UsageError) { throw UsageError("not out of addresses") }

  func connect() -> ConnectAttempt {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0)
    if fd < 0 { return .failed(-errno) }
    let result = Loopback.withAddress(port: port) { Glibc.connect(fd, $0, $1) == 0 ? 0 : -errno }
    if result == 0 { return .connected(fd) }
    if -result == EINPROGRESS { return .inProgress(fd) }
    closeDescriptor(fd)
    return .failed(result)
  }
}

/// A port of 127.0.0.1 that nobody else has.
final class Loopback {
  let fd: Int32
  let port: UInt16

  /// - Parameter listens: Whether somebody answers there; else connections are refused.
  init(listens: Bool, backlog: Int32 = 8) {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    precondition(fd >= 0 && Self.withAddress(port: 0) { bind(fd, $0, $1) } == 0, "no port is free")
    precondition(!listens || listen(fd, backlog) == 0, "nobody can listen")
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let told = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(fd, $0, &size) }
    }
    precondition(told == 0, "a socket without a name")
    self.fd = fd
    port = UInt16(bigEndian: address.sin_port)
  }

  deinit { close(fd) }

  /// The next connection, which has come or will.
  func accepted() -> Int32 { accept(fd, nil, nil) }

  static func withAddress(port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}

/// Something that goes on beside the test, in a thread of its own. It is waited for before this goes.
final class Beside {
  private final class Work {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }

  private var thread = pthread_t()

  init(_ body: @escaping @Sendable () -> Void) {
    let work = Unmanaged.passRetained(Work(body)).toOpaque()
    let begin: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
      Unmanaged<Work>.fromOpaque($0!).takeRetainedValue().body()
      return nil
    }
    precondition(pthread_create(&thread, nil, begin, work) == 0, "no thread")
  }

  deinit { pthread_join(thread, nil) }
}
