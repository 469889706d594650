// What one simulated peer says, as the kernel would deliver it: a stream of bytes, and descriptors at places of it.

import GateSession

/// One peer's stream, and what has become of it. A class, since it is looked at all the time, and a copy of it takes longer than that.
final class Wire {
  /// What is wrong with something that was said, if anything is.
  enum Defect { case malformed, descriptors, handshake }

  struct Sent {
    var message: Draft
    var size: ReferenceGate.Size
    var defect: Defect?
    /// Where in the stream it is.
    var start: Int, end: Int
    /// Where in the stream its descriptors come, and how many.
    var place: Int, descriptorCount: Int
    var descriptors: [Int] = []
    /// Where it begins among the allowed bytes, if it is allowed.
    var allowedAt: Int?
  }

  private(set) var stream: [UInt8] = []
  var sent: [Sent] = []
  var delivered = 0
  /// The peer closed its end: nothing more comes.
  private(set) var isEnded = false
  /// Bytes that the session dealt with, and messages that it has decided on.
  var consumed = 0, decided = 0
  /// Bytes and descriptors of the allowed messages.
  private(set) var allowed: [UInt8] = [], descriptors: [Int] = []
  /// How much of `allowed` was seen to arrive.
  var compared = 0
  /// Something that ends the connection was said.
  private(set) var hasDefect = false

  var handshake: String { String(decoding: stream[..<handshakeCount], as: UTF8.self) }
  /// Bytes of it.
  private(set) var handshakeCount = 0

  func sayHandshake(_ text: String, isDefect: Bool) {
    stream += Array(text.utf8)
    handshakeCount = stream.count
    if isDefect { hasDefect = true }
  }

  func send(_ message: Draft, _ bytes: [UInt8], defect: Defect?, lateBy: Int, descriptors: Int) {
    let size = ReferenceGate.Size(header: bytes.count - message.body.count, message: bytes.count)
    sent.append(
      Sent(
        message: message, size: size, defect: defect, start: stream.count, end: stream.count + bytes.count,
        place: stream.count + min(lateBy, bytes.count - 1), descriptorCount: descriptors))
    stream += bytes
    if defect != nil { hasDefect = true }
  }

  /// What one read gives: never more than up to the next descriptors but one.
  func read(upTo count: Int, descriptorsGiven: Int) -> (bytes: [UInt8], descriptors: Int) {
    if isEnded { return ([], 0) }
    var end = min(stream.count, delivered + count), given = 0
    var places: [Int] = []
    for index in sent.indices.reversed() {
      if sent[index].end <= delivered { break }
      if sent[index].descriptorCount > 0 && sent[index].place >= delivered && sent[index].place < end {
        places.insert(index, at: 0)
      }
    }
    if let first = places.first {
      if places.count > 1 { end = sent[places[1]].place }
      given = sent[first].descriptorCount
      sent[first].descriptors = Array(descriptorsGiven + 1..<descriptorsGiven + 1 + given)
    }
    defer { delivered = end }
    return (Array(stream[delivered..<end]), given)
  }

  /// The peer says nothing more, not even what it has said and was not read.
  func end() { isEnded = true }

  /// Whether everything was delivered that ever will be.
  var isDelivered: Bool { isEnded || delivered == stream.count }

  /// The next message was decided on.
  func decide(isAllowed: Bool) {
    let item = sent[decided]
    if isAllowed {
      sent[decided].allowedAt = allowed.count
      allowed += stream[item.start..<item.end]
      descriptors += item.descriptors
    }
    decided += 1
  }

  /// The allowed message at `place` of the allowed bytes is not allowed after all.
  func withdraw(at place: Int) -> Draft? {
    guard let index = sent[..<decided].lastIndex(where: { $0.allowedAt == place }) else { return nil }
    let count = sent[index].end - sent[index].start
    allowed.removeSubrange(place..<place + count)
    if let at = descriptors.firstIndex(where: { sent[index].descriptors.first == $0 }) {
      descriptors.removeSubrange(at..<at + sent[index].descriptors.count)
    }
    sent[index].allowedAt = nil
    for later in index + 1..<max(index + 1, decided) { sent[later].allowedAt = sent[later].allowedAt.map { $0 - count } }
    return sent[index].message
  }

  /// How many allowed bytes the session has dealt with.
  var allowedConsumed: Int {
    guard decided > 0, sent[decided - 1].allowedAt != nil else { return allowed.count }
    return allowed.count - max(0, sent[decided - 1].end - consumed)
  }
}
