// What the operator sees on standard error: errors, and the decision log, one event a line, stable keys. Writing never blocks: what does not
// leave at once waits in a bounded buffer, and what finds no room there is counted and the count reported.

import CLinux
import DBusWire
import GatePolicy
import GateSession
import Glibc

/// Lines for people and their tools.
public final class Log {
  private let fd: Int32
  private var buffer: [UInt8] = []
  private var lost = 0
  /// Lines that were lost since the start.
  private(set) var lostCount: UInt64 = 0
  private var lastLimit: [StaticStringKey: Instant] = [:]

  /// Bytes that may wait for a slow reader.
  private static let bufferMax = 262_144
  /// A write of so many bytes to a pipe that is writable does not block (PIPE_BUF).
  private static let atomicBytes = 4096
  /// The same limit is reported once in so many milliseconds.
  private static let limitInterval: UInt64 = 1000

  /// A log on a descriptor that stays the caller's.
  public init(fd: Int32) { self.fd = fd }

  /// Whether lines wait for the reader.
  var hasUnwritten: Bool { !buffer.isEmpty || lost > 0 }

  /// An error that a person should mend.
  public func error(_ text: String) { line("busgate: error: \(Self.printable(text))") }

  /// Something a person should know.
  public func warning(_ text: String) { line("busgate: warning: \(Self.printable(text))") }

  /// Something that happened.
  public func note(_ text: String) { line("busgate: \(Self.printable(text))") }

  /// A line as it is. Precondition: it has no line end inside.
  public func line(_ text: String) {
    let count = text.utf8.count + 1
    if buffer.count + count > Self.bufferMax { flush() }
    if lost > 0 || buffer.count + count > Self.bufferMax {
      lost += 1
      lostCount &+= 1
      return
    }
    buffer.append(contentsOf: text.utf8)
    buffer.append(UInt8(ascii: "\n"))
  }

  /// Writes what the reader takes without waiting.
  public func flush() {
    if buffer.isEmpty && lost == 0 { return }
    var written = 0
    while written < buffer.count {
      if clinux_is_writable(fd) == 0 { break }
      let count = lineEnd(after: written) - written
      let n = unsafe buffer.withUnsafeBytes { unsafe clinux_write(fd, $0.baseAddress! + written, count) }
      if n <= 0 {
        if -n == EINTR { continue }
        if -n == EAGAIN { break }
        written = buffer.count  // nobody will ever read it: a closed pipe, a full disk
        lost += 1
        lostCount &+= 1
        break
      }
      written += n
    }
    buffer.removeFirst(written)
    if buffer.isEmpty && lost > 0 && clinux_is_writable(fd) != 0 {
      let count = lost
      lost = 0
      line("busgate: warning: \(count) lines of the log were lost, the reader was too slow")
    }
  }

  /// Where a write that starts at `start` should end: behind as many whole lines as a pipe takes at once.
  private func lineEnd(after start: Int) -> Int {
    let limit = min(buffer.count, start + Self.atomicBytes)
    if let end = buffer[start..<limit].lastIndex(of: UInt8(ascii: "\n")) { return end + 1 }
    return limit
  }

  /// A limit was hit: reported, but not more than once a second.
  func limit(_ name: StaticString, _ text: String, _ now: Instant) {
    let key = StaticStringKey(name)
    if let last = lastLimit[key], now < last.advanced(byMilliseconds: Self.limitInterval) { return }
    lastLimit[key] = now
    warning("limit \(name): \(text)")
  }

  // MARK: Connections

  func failure(_ slot: UnsafeMutablePointer<Connection>, _ text: String) {
    error("connection \(unsafe slot.pointee.number)\(unsafe Self.peer(slot)): \(text)")
  }

  func closing(_ slot: UnsafeMutablePointer<Connection>, _ reason: CloseReason, _ label: String) {
    if case .endOfStream = reason { return }
    warning("gate=\(label) connection=\(unsafe slot.pointee.number)\(unsafe Self.peer(slot)) closed: \(reason)")
  }

  private static func peer(_ slot: UnsafeMutablePointer<Connection>) -> String {
    guard let peer = unsafe slot.pointee.peer else { return "" }
    return " pid=\(peer.pid) uid=\(peer.uid)"
  }

  // MARK: Decisions

  /// A decision about the message at `decision.offset` of `bytes`.
  func decision(
    _ decision: Decision, _ bytes: RawSpan, _ side: Side, _ policy: Policy, _ slot: UnsafeMutablePointer<Connection>,
    _ label: String
  ) {
    let message = bytes.extracting(Int(decision.offset)..<bytes.byteCount)
    var text = "\(decision.verdict.action) \(Self.clock()) gate=\(label) connection=\(unsafe slot.pointee.number)"
    text += unsafe Self.peer(slot)
    text += " direction=\(side.direction)"
    do throws(WireError) {
      let frame = try MessageFrame(message)
      var header = MessageHeader(frame: frame)
      if decision.verdict.reason != .headerTooLong { try header.read(message, frame: frame) }
      Self.describe(header, message, side, name: unsafe slot.pointee.session.name, &text)
    } catch {
      preconditionFailure("a message that was decided on cannot be read again")
    }
    text += " reason=\(decision.verdict.reason.rawValue)"
    if decision.verdict.rule >= 0 {
      let location = policy.rules[Int(decision.verdict.rule)].location
      text += " rule=\(Self.quoted("\(location.file):\(location.line)"))"
    }
    line(text)
  }

  /// The message's parts that are there. Names and paths are ASCII without white space by their grammars: nothing to escape.
  private static func describe(_ header: MessageHeader, _ message: RawSpan, _ side: Side, name: String, _ text: inout String) {
    text += " type=\(typeName(header.frame.type))"
    func add(_ key: String, _ range: ByteRange) {
      if range.isAbsent { return }
      text += " \(key)="
      text += String(decoding: unsafe message.bytes(in: range).withUnsafeBytes { unsafe Array($0) }, as: UTF8.self)
    }
    if side == .client {
      if !name.isEmpty { text += " sender=\(name)" }
    } else {
      add("sender", header.sender)
    }
    add("destination", header.destination)
    add("path", header.path)
    add("interface", header.interface)
    add("member", header.member)
    add("error", header.errorName)
    add("signature", header.signature)
    if header.replySerial != 0 { text += " reply-serial=\(header.replySerial)" }
    text += " serial=\(header.frame.serial) bytes=\(header.frame.messageByteCount)"
    if header.unixFDs > 0 { text += " fds=\(header.unixFDs)" }
  }

  private static func typeName(_ type: MessageType) -> String {
    switch type {
    case .methodCall: "method_call"
    case .methodReturn: "method_return"
    case .error: "error"
    case .signal: "signal"
    default: "\(type.rawValue)"  // not an enumeration: a type that nobody knows
    }
  }

  /// The time in UTC, to the millisecond.
  private static func clock() -> String {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    var parts = unsafe tm()
    unsafe gmtime_r(&time.tv_sec, &parts)
    func two(_ n: Int32) -> String { n < 10 ? "0\(n)" : "\(n)" }
    let milliseconds = String(time.tv_nsec / 1_000_000 + 1000).dropFirst()
    return
      unsafe "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):\(two(parts.tm_min)):"
      + "\(two(parts.tm_sec)).\(milliseconds)Z"
  }

  /// A value that may hold anything, in quotes if it needs them.
  private static func quoted(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    if isPlain { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case let scalar where scalar.value < 0x20 || scalar.value == 0x7F: quoted += "\\u{\(String(scalar.value, radix: 16))}"
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }

  /// A text on one line, whatever is in it.
  private static func printable(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) { return text }
    var clean = ""
    for scalar in text.unicodeScalars {
      if scalar.value < 0x20 || scalar.value == 0x7F {
        clean += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        clean.unicodeScalars.append(scalar)
      }
    }
    return clean
  }
}

/// A static string as a key: by its text.
struct StaticStringKey: Hashable {
  let text: String
  init(_ text: StaticString) { self.text = text.description }
}
