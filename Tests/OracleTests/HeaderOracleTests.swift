// Messages, well-formed and not, read by busgate, by libdbus and by GDBus: whoever accepts one reads it as the others do.

import CDBus
import CGLib
import DBusWire
import Testing

@Suite("messages, as libdbus and GDBus read them", .serialized)
struct HeaderOracleTests {
  /// What busgate makes of a message and its body.
  private enum Judgement {
    case whole(MessageHeader)
    /// The header is well-formed, the body is not.
    case body(MessageHeader, WireError)
    case header(WireError)
    /// There are fewer bytes than the frame says.
    case incomplete
  }

  private static func judge(_ bytes: [UInt8]) -> Judgement {
    let span = bytes.span.bytes
    guard span.byteCount >= MessageFrame.byteCount else { return .incomplete }
    var header = MessageHeader()
    do {
      let frame = try MessageFrame(span)
      guard span.byteCount >= frame.headerByteCount else { return .incomplete }
      try header.read(span, frame: frame)
    } catch {
      return .header(error)
    }
    let frame = header.frame
    guard span.byteCount >= frame.messageByteCount else { return .incomplete }
    do {
      let body = span.extracting(frame.headerByteCount..<frame.messageByteCount)
      let signature = header.signature
      let start = Int(signature.offset)
      let types = signature.isAbsent ? span.extracting(0..<0) : span.extracting(start..<start + Int(signature.count))
      try MessageArguments.check(body, byteOrder: frame.byteOrder, signature: types)
    } catch {
      return .body(header, error)
    }
    return .whole(header)
  }

  /// The bytes of the first message: what is behind it is another one's.
  private static func first(of bytes: [UInt8]) -> [UInt8] {
    let span = bytes.span.bytes
    guard span.byteCount >= MessageFrame.byteCount, let frame = try? MessageFrame(span) else { return bytes }
    return frame.messageByteCount < bytes.count ? Array(bytes[..<frame.messageByteCount]) : bytes
  }

  @Test("libdbus accepts what busgate accepts, refuses what it refuses, and reads it the same")
  func libdbus() {
    var messages = MessageGenerator(purpose: 1), findings = Findings(), accepted = 0
    for _ in 0..<OracleRun.count(1_000_000) {
      let bytes = Self.first(of: messages.next())
      findings.compare()
      let judgement = Self.judge(bytes), theirs = Reading(libdbus: bytes)
      switch judgement {
      case .whole(let header):
        guard let theirs else {
          // Descriptors cannot be given to it here.
          let ours = Reading(header, bytes)
          if ours.isNearTheLocalOne {
            findings.count(.localPrefix)
          } else if header.unixFDs == 0 {
            findings.tell("accepted, libdbus refuses", bytes)
          }
          continue
        }
        accepted += 1
        let ours = Reading(header, bytes)
        if ours != theirs { findings.tell("read as \(ours), by libdbus as \(theirs)", bytes) }
      case .body(_, let error):
        if theirs != nil { findings.tell("body refused (\(error)), libdbus accepts", bytes) }
      case .header(let error):
        guard theirs != nil else { continue }
        if Self.isAboutAUniqueName(error, bytes) {
          findings.count(.uniqueNameElements)
        } else {
          findings.tell("header refused (\(error)), libdbus accepts", bytes)
        }
      case .incomplete:
        if theirs != nil { findings.tell("incomplete, libdbus accepts", bytes) }
      }
    }
    #expect(accepted > findings.cases / 10, "most messages are bad, so nothing is compared")
    findings.finish("headers, libdbus (\(accepted) accepted by both)", expected: [.uniqueNameElements, .localPrefix])
  }

  private static func isAboutAUniqueName(_ error: WireError, _ bytes: [UInt8]) -> Bool {
    guard case .fieldValue(let field, let offset) = error, field == .sender || field == .destination else { return false }
    return lacksElements(bytes[offset...].prefix { $0 != 0 })
  }

  @Test("a header that resembles the one before it is read as if it came alone")
  func memory() {
    var messages = MessageGenerator(purpose: 3), memory = HeaderMemory(), findings = Findings(), repetitions = 0
    for index in 0..<OracleRun.count(1_000_000) {
      let bytes = index % 8 == 0 ? messages.next() : messages.again(), span = bytes.span.bytes
      guard span.byteCount >= MessageFrame.byteCount, let frame = try? MessageFrame(span), span.byteCount >= frame.headerByteCount
      else {
        continue
      }
      findings.compare()
      var alone = MessageHeader(), error: WireError?
      do { try alone.read(span, frame: frame) } catch let thrown { error = thrown }
      do {
        if try memory.read(span, frame: frame) { repetitions += 1 }
        let (ours, theirs) = (Reading(memory.header, bytes), Reading(alone, bytes))
        if let error { findings.tell("read as \(ours), alone \(error)", bytes) }
        if error == nil && ours != theirs { findings.tell("read as \(ours), alone as \(theirs)", bytes) }
      } catch let thrown {
        if thrown != error { findings.tell("\(thrown), alone \(String(describing: error))", bytes) }
      }
    }
    #expect(repetitions > findings.cases / 20)
    findings.finish("headers after others (\(repetitions) repeated)")
  }

  @Test("GDBus accepts what busgate accepts, and reads it the same")
  func glib() {
    var messages = MessageGenerator(purpose: 2), findings = Findings(), accepted = 0
    for _ in 0..<OracleRun.count(500_000) {
      let bytes = Self.first(of: messages.next())
      guard case .whole(let header) = Self.judge(bytes) else { continue }
      findings.compare()
      guard let theirs = Reading(glib: bytes) else {
        findings.tell("accepted, GDBus refuses", bytes)
        continue
      }
      accepted += 1
      let ours = Reading(header, bytes)
      if ours != theirs { findings.tell("read as \(ours), by GDBus as \(theirs)", bytes) }
    }
    findings.finish("headers, GDBus (\(accepted) accepted by both)")
  }
}
