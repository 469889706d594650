// Asking a running gate how it is, from outside, over the socket of `--metrics`.

/// What a running gate said of its health, as a terminal may show it.
public enum HealthAnswer: Equatable, Sendable {
  /// Every gate that was asked for is well; a line for each.
  case well(String)
  /// One of them is not; a line for each.
  case ill(String)
  /// There is no such gate: a sentence.
  case noSuchGate(String)

  /// Milliseconds that a gate may take to answer: its loop takes a hundredth of one.
  private static let patience: UInt64 = 10_000

  /// Asks the gate whose metrics are at `path`.
  ///
  /// - Parameter gate: A label; nil: all of them.
  public static func ask(at path: String, gate: String?) throws(AdminCall.Failure) -> HealthAnswer {
    let request = "GET \(HealthQuery.target(for: gate)) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    let bytes = try AdminCall(.metrics, at: path, within: patience).answer(to: Array(request.utf8))
    guard let answer = parse(bytes, asksForOne: gate != nil) else {
      let said = String(decoding: bytes.prefix { $0 >= 0x20 && $0 < 0x7F }.prefix(80), as: UTF8.self)
      throw AdminCall.Failure(
        description: "\(path): error: it does not say how it is, but \"\(said)\", expected the socket of busgate run --metrics")
    }
    return answer
  }

  /// Reads a response; nil if it is none, or cut short.
  ///
  /// - Parameter asksForOne: Whether one gate was asked for: then 404 is about the gate, else about `/healthz`.
  static func parse(_ bytes: [UInt8], asksForOne: Bool) -> HealthAnswer? {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let end = text.range(ofFirst: "\r\n\r\n") else { return nil }
    let lines = text[..<end.lowerBound].split(separator: "\r\n", omittingEmptySubsequences: false)
    let words = (lines.first ?? "").split(separator: " ", maxSplits: 2)
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return nil }
    let body = text[end.upperBound...]
    let lengths = lines.dropFirst().filter { $0.lowercased().hasPrefix("content-length:") }
    guard lengths.count == 1, let length = Int(lengths[0].dropFirst(15).drop { $0 == " " }), length == body.utf8.count else {
      return nil
    }
    let told = PlainText.onLines(String(body))
    switch status {
    case 200: return .well(told)
    case 503: return .ill(told)
    case 404 where asksForOne: return .noSuchGate(told)
    default: return nil
    }
  }
}

extension String {
  /// Where `part` stands first.
  fileprivate func range(ofFirst part: String) -> Range<String.Index>? {
    let (all, wanted) = (utf8, Array(part.utf8))
    var start = all.startIndex
    while start < all.endIndex {
      if all[start...].starts(with: wanted), let end = all.index(start, offsetBy: wanted.count, limitedBy: all.endIndex) {
        return start..<end
      }
      start = all.index(after: start)
    }
    return nil
  }
}
