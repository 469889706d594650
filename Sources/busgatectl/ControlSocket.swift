// The control socket of a running gate: a line is asked, a line is answered. What can be asked is GateServer's ControlRequest.

import GatePolicy
import GateServer
import Glibc
import PolicyTools

/// Asks a running gate.
enum ControlSocket {
  /// There is no usual path: `busgate run --control` is always given one.
  ///
  /// - Throws: what could not be done, or what the gate refused.
  static func ask(_ request: String, at path: String) throws -> (text: [UInt8], answer: JSONValue) {
    let fd = try connect(path)
    defer { close(fd) }
    try send(Array((request + "\n").utf8), to: fd, path)
    let text = try receive(from: fd, path)
    let answer: JSONValue
    do throws(ConfigurationError) {
      answer = try JSONValue.parse(text, file: path)
    } catch {
      throw ControlFailure(description: "\(error)")
    }
    if let refusal = answer["error"]?.text { throw ControlFailure(description: "\(path): error: \(refusal)") }
    return (text, answer)
  }

  private static func connect(_ path: String) throws -> Int32 {
    let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    if fd < 0 { throw failure(path) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    if bytes.count >= room {
      close(fd)
      throw ControlFailure(description: "\(path): error: too long, expected at most \(room - 1) bytes; cd nearer to it")
    }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    let length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe Glibc.connect(fd, $0, length) }
    }
    if result < 0 {
      let failure = failure(path)
      close(fd)
      throw failure
    }
    return fd
  }

  private static func send(_ bytes: [UInt8], to fd: Int32, _ path: String) throws {
    var at = 0
    while at < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.send(fd, $0.baseAddress! + at, $0.count - at, Int32(MSG_NOSIGNAL)) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw failure(path) }
      at += count
    }
    shutdown(fd, Int32(SHUT_WR))
  }

  /// Up to the end of the line, or of the answer. A gate that does not answer is waited for: who asks can interrupt.
  private static func receive(from fd: Int32, _ path: String) throws -> [UInt8] {
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while text.last != UInt8(ascii: "\n") {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(fd, $0.baseAddress!, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw failure(path) }
      if count == 0 { break }
      text += chunk[..<count]
    }
    if text.isEmpty {
      throw ControlFailure(description: "\(path): error: closed without an answer, expected to be the gate's own user or root")
    }
    return text
  }

  private static func failure(_ path: String) -> ControlFailure {
    let reason = unsafe String(cString: strerror(errno))
    return ControlFailure(description: "\(path): error: \(reason), expected the socket of busgate run --control")
  }
}
