// What bounds the handshakes: the length of lines, the replies that wait, the work; and that nothing a client can send gets it
// further than it is.

import Testing

@testable import GateSession

@Suite struct HandshakeBoundsTests {
  /// A command of `count` bytes with its CR LF.
  private func line(of count: Int) -> String { String(repeating: "A", count: count - 2) + "\r\n" }

  @Test("a line of 16384 bytes is read, one of 16385 closes, in whatever pieces", arguments: [16384, 16385])
  func lineBytesMax(count: Int) {
    let refused = count > 16384
    let conversation = Conversation(
      "", "\0" + line(of: count), refused ? "" : "ERROR \"unknown command\"\r\n", refused ? .close(.lineTooLong) : .needsBytes)
    let bytes = Array(conversation.input.utf8)
    let whole = conversation.heldInOnePiece()
    #expect(whole.output == conversation.output)
    #expect(whole.step == conversation.step)
    #expect(conversation.held(in: bytes, cuts: 0...bytes.count) == whole)
    for cut in [1, 2, 16382, 16383, 16384, 16385] {
      #expect(conversation.held(in: bytes, cuts: [cut, bytes.count]) == whole, "cut at \(cut)")
    }
  }

  @Test("16384 bytes without a line end close, 16383 don't")
  func unterminatedLine() {
    for (count, step) in [(16383, ServerHandshake.Step.needsBytes), (16384, .close(.lineTooLong))] {
      let conversation = Conversation("", "\0" + String(repeating: "\r", count: count), "", step)
      #expect(conversation.heldInOnePiece().step == step)
      #expect(conversation.heldInOnePiece().consumed == 1)
    }
  }

  @Test("the limit is a line's, not the handshake's")
  func manyLines() {
    let conversation = Conversation("", "\0" + String(repeating: line(of: 10000), count: 10), "", .needsBytes)
    let result = conversation.heldInOnePiece()
    #expect(result.step == .needsBytes)
    #expect(result.consumed == conversation.input.utf8.count)
  }

  @Test("what was searched for a line end is not searched again")
  func worksOnce() {
    var finder = LineFinder()
    var bytes = [UInt8](repeating: UInt8(ascii: "A"), count: 1000)
    #expect(finder.find(in: bytes.span.bytes) == .partial)
    // A line end where it already looked: only who looks again sees it.
    bytes.replaceSubrange(500..<502, with: "\r\n".utf8)
    bytes.append(UInt8(ascii: "A"))
    #expect(finder.find(in: bytes.span.bytes) == .partial)
    bytes += Array("\r\n".utf8)
    #expect(finder.find(in: bytes.span.bytes) == .line(count: 1001))
    // A line that waits for room is found again where it was.
    bytes.replaceSubrange(700..<702, with: "\r\n".utf8)
    #expect(finder.find(in: bytes.span.bytes) == .line(count: 1001))
    finder.lineWasTaken()
    #expect(finder.find(in: bytes.span.bytes) == .line(count: 500))
  }

  @Test("replies that don't leave stop the reading")
  func needsRoom() {
    var machine = ServerHandshake(peerUID: 1000, options: .init())
    var output = HandshakeOutput()
    let bytes = Array(("\0" + String(repeating: "\r\n", count: 4000)).utf8)
    let first = machine.receive(bytes.span.bytes, into: &output)
    #expect(first.step == .needsRoom)
    #expect(first.consumed < bytes.count)
    let waiting = output.count
    #expect(waiting >= HandshakeOutput.bytesMax && waiting < HandshakeOutput.bytesMax + 64)
    let again = machine.receive(bytes.span.bytes.extracting(droppingFirst: first.consumed), into: &output)
    #expect(again == (0, .needsRoom))
    #expect(output.count == waiting)

    output.removeFirst(waiting - HandshakeOutput.bytesMax + 1)
    let last = machine.receive(bytes.span.bytes.extracting(droppingFirst: first.consumed), into: &output)
    #expect(last == (2, .needsRoom))
  }

  @Test("nothing random gets through without OK, makes output grow or depends on the pieces")
  func random() {
    let words = [
      "AUTH", "EXTERNAL", "ANONYMOUS", "31303030", "30", "3", "DATA", "CANCEL", "ERROR", "BEGIN", "NEGOTIATE_UNIX_FD", "OK",
      " ", " ", " ", "\t", "\r", "\n", "\0", "\u{7F}", "é", "AUTH EXTERNAL 31303030\r\n", "AUTH EXTERNAL\r\n", "DATA\r\n",
      "NEGOTIATE_UNIX_FD\r\n", "BEGIN\r\n", "CANCEL\r\n", "AUTH ANONYMOUS\r\n", "\r\n", "\r\n", "\r\n", "\r\n",
    ]
    var begun = 0
    var closed = 0
    for seed in 0..<3000 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      var input = seed % 50 == 0 ? "" : "\0"
      for _ in 0..<Int.random(in: 0...40, using: &generator) { input += words.randomElement(using: &generator)! }
      var conversation = Conversation("", input, "", .needsBytes)
      conversation.uid = [nil, 0, 1000].randomElement(using: &generator)!
      conversation.options = .init(external: .random(using: &generator), anonymous: .random(using: &generator))
      conversation.busPassesFDs = .random(using: &generator)
      if Bool.random(using: &generator) { conversation.namespaceUIDs = [0] }

      let bytes = Array(input.utf8)
      let whole = conversation.heldInOnePiece()
      let cuts = (0..<4).map { _ in Int.random(in: 0...bytes.count, using: &generator) }.sorted() + [bytes.count]
      #expect(conversation.held(in: bytes, cuts: cuts) == whole, "seed \(seed)")
      #expect(whole.waitingMax < HandshakeOutput.bytesMax + 64, "seed \(seed)")

      // "\r\n" is one Character.
      let replies = whole.output.split(separator: "\r\n")
      if case .begun(let negotiatedUnixFDs) = whole.step {
        begun += 1
        let lastVerdict = replies.last { $0.hasPrefix("OK ") || $0.hasPrefix("REJECTED") }
        #expect(lastVerdict == "OK \(testGUID)", "seed \(seed)")
        let sinceOK = replies.suffix(from: replies.lastIndex { $0.hasPrefix("OK ") } ?? 0)
        #expect(negotiatedUnixFDs == sinceOK.contains("AGREE_UNIX_FD"), "seed \(seed)")
        #expect(!negotiatedUnixFDs || conversation.busPassesFDs, "seed \(seed)")
      } else if case .close = whole.step {
        closed += 1
      }
      #expect(replies.count { $0.hasPrefix("REJECTED") } <= ServerHandshake.rejectsMax, "seed \(seed)")
    }
    // The generator would prove nothing if it never got anywhere.
    #expect(begun > 30 && closed > 100, "\(begun) begun, \(closed) closed")
  }

  @Test("bytes without any sense neither crash nor pile up")
  func garbage() {
    for seed in 0..<300 as Range<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let bytes = [0] + (0..<2000).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let conversation = Conversation("", "", "", .needsBytes)
      let whole = conversation.held(in: bytes, cuts: [bytes.count])
      #expect(conversation.held(in: bytes, cuts: stride(from: 0, through: bytes.count, by: 1)) == whole, "seed \(seed)")
      #expect(whole.waitingMax < HandshakeOutput.bytesMax + 64)
      var client = ClientHandshake(uid: 0, anonymous: false, negotiateUnixFDs: true)
      if case .done = client.receive(bytes.span.bytes).step { Issue.record("seed \(seed)") }
    }
  }
}
