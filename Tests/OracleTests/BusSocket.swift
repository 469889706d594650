// One connection to a real bus: bytes as the tests write them, answers as they come.

import DBusWire

#if canImport(Glibc)
  import Glibc
#endif

/// A connected socket. Blocks, but not for longer than `patience`.
final class BusSocket {
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  /// Bytes of messages that were taken; lines are taken at once.
  private var taken = 0

  /// Seconds that an answer may take.
  private static let patience = 20

  init(_ path: String) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
    }
    guard descriptor >= 0, status == 0 else { throw SocketFailure("connect") }
    setTimeout(milliseconds: Self.patience * 1000)
  }

  deinit { close(descriptor) }

  /// How long a read may take from now on.
  func setTimeout(milliseconds: Int) {
    var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
  }

  func write(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { throw SocketFailure("send") }
      sent += count
    }
  }

  /// More bytes; false: the other end closed, or nothing came in time.
  private func fill() -> Bool {
    var chunk = [UInt8](repeating: 0, count: 65536)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    guard count > 0 else { return false }
    buffer += chunk[..<count]
    return true
  }

  /// The next line of a handshake, without its end; nil: the other end closed, or nothing came in time.
  func line() -> String? {
    while true {
      if let end = buffer.firstIndex(of: 0x0D), end + 1 < buffer.count {
        let line = String(decoding: buffer[..<end], as: UTF8.self)
        buffer.removeFirst(end + 2)
        return line
      }
      guard fill() else { return nil }
    }
  }

  /// The header of the message at `offset`, if all of the message is there.
  private static func header(in bytes: [UInt8], at offset: Int) throws -> MessageHeader? {
    let span = bytes.span.bytes.extracting(droppingFirst: offset)
    guard span.byteCount >= MessageFrame.byteCount else { return nil }
    let frame = try MessageFrame(span)
    guard span.byteCount >= frame.messageByteCount else { return nil }
    var header = MessageHeader()
    try header.read(span, frame: frame)
    return header
  }

  /// The next message that is an answer: to which serial, and the name of the error that it is.
  func answer() throws -> (serial: UInt32, error: String?) {
    while true {
      guard let header = try Self.header(in: buffer, at: taken) else {
        guard fill() else { throw SocketFailure("recv") }
        continue
      }
      let start = taken + Int(header.errorName.offset)
      let name = header.errorName.isAbsent ? nil : Array(buffer[start..<start + Int(header.errorName.count)])
      taken += header.frame.messageByteCount
      // Not at each message: the buffer may hold thousands.
      if taken == buffer.count {
        buffer.removeAll(keepingCapacity: true)
        taken = 0
      }
      if header.replySerial != 0 { return (header.replySerial, name.map { String(decoding: $0, as: UTF8.self) }) }
    }
  }

  /// Authenticates and says Hello.
  func register() throws {
    let identity = String(getuid()).utf8.map { String($0, radix: 16) }.joined()
    try write(Array("\0AUTH EXTERNAL \(identity)\r\nBEGIN\r\n".utf8) + driverCall("Hello", serial: 1))
    guard line()?.hasPrefix("OK ") == true, try answer() == (1, nil) else { throw SocketFailure("handshake") }
  }
}

/// A call to the bus itself, perhaps with a string.
func driverCall(_ member: StaticString, serial: UInt32, _ argument: [UInt8]? = nil) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: 256 + (argument?.count ?? 0))
  let count: Int
  do {
    var span = bytes.mutableSpan
    var message = MessageBuilder(into: span.mutableBytes, byteOrder: .little, type: .methodCall, flags: [], serial: serial)
    message.field(.path, "/org/freedesktop/DBus")
    message.field(.interface, "org.freedesktop.DBus")
    message.field(.member, member)
    message.field(.destination, "org.freedesktop.DBus")
    if let argument { message.text(argument.span.bytes) }
    count = message.finish()
  }
  return Array(bytes[..<count])
}
