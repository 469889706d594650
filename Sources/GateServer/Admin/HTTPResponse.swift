// A response to a scrape.
// Source: RFC 9112 for the syntax, RFC 9110 for what it means.

/// A response's bytes.
enum HTTPResponse {
  /// What goes over the wire.
  ///
  /// - Parameters:
  ///   - body: Left out, but counted, for HEAD.
  ///   - variesByFormat: Whether another answer is given to who asks for another format.
  ///   - now: Milliseconds since 1970.
  static func bytes(
    _ status: HTTPStatus, type: StaticString = "text/plain; charset=utf-8", body: [UInt8], isHead: Bool, keepsAlive: Bool,
    variesByFormat: Bool = false, now: UInt64
  ) -> [UInt8] {
    var head = "HTTP/1.1 \(status.rawValue) \(status.phrase)\r\nDate: \(WallClock.httpDate(now))\r\n"
    head += "Content-Type: \(type)\r\nContent-Length: \(body.count)\r\n"
    if variesByFormat { head += "Vary: Accept\r\n" }
    if status == .methodNotAllowed { head += "Allow: GET, HEAD\r\n" }
    if !keepsAlive { head += "Connection: close\r\n" }
    return Array((head + "\r\n").utf8) + (isHead ? [] : body)
  }

  /// A response that says what was wrong.
  static func error(_ status: HTTPStatus, isHead: Bool = false, keepsAlive: Bool = false, now: UInt64) -> [UInt8] {
    bytes(status, body: Array("\(status.phrase)\n".utf8), isHead: isHead, keepsAlive: keepsAlive, now: now)
  }
}
