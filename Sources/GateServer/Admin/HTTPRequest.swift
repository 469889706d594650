// As much of HTTP/1.1 as a scrape needs, from the server's side: requests without a body. Bytes in, values out.
//
// Source: RFC 9112 for the syntax, RFC 9110 for what it means.

/// A request, as far as it matters here.
struct HTTPRequest: Equatable {
  /// What is asked for.
  enum Method: Equatable { case get, head, other }

  var method: Method
  /// The target's path, without a query.
  var path: String
  /// What stands behind the path's `?`, as it was sent; nil: nothing does.
  var query: String?
  /// Which format is wanted.
  var format: Exposition.Format
  /// Whether another request may follow on the connection.
  var keepsAlive: Bool

  /// What bytes turned out to be.
  enum Reading: Equatable {
    /// The beginning of a request.
    case incomplete
    /// A request of so many bytes.
    case request(HTTPRequest, byteCount: Int)
    /// None that is answered; the connection cannot go on.
    case refused(HTTPStatus)
  }

  /// Bytes that a request may have.
  static let byteCountMax = 8192

  /// Reads the request at the front of `bytes`.
  static func read(_ bytes: [UInt8]) -> Reading {
    var start = 0
    // Empty lines before a request are to be passed over (RFC 9112, 2.2).
    while start < bytes.count, bytes[start] == UInt8(ascii: "\r") || bytes[start] == UInt8(ascii: "\n") { start += 1 }
    guard let end = headEnd(bytes, from: start) else {
      return bytes.count >= byteCountMax ? .refused(.headerFieldsTooLarge) : .incomplete
    }
    if end > byteCountMax { return .refused(.headerFieldsTooLarge) }
    var lines = bytes[start..<end].split(separator: UInt8(ascii: "\n")).map(withoutReturn)[...]
    if lines.last?.isEmpty == true { lines.removeLast() }
    guard let first = lines.popFirst() else { return .refused(.badRequest) }
    let line = parseRequestLine(first)
    guard case .success(var request, let isOld) = line else {
      if case .failure(let status) = line { return .refused(status) }
      return .refused(.badRequest)
    }
    guard let fields = parseFields(lines) else { return .refused(.badRequest) }
    let hosts = fields.filter { $0.name == "host" }.count
    if hosts > 1 || (hosts == 0 && !isOld) { return .refused(.badRequest) }
    // A body would have to be read to find the next request. None is expected, so none is taken.
    if fields.contains(where: { $0.name == "transfer-encoding" || ($0.name == "content-length" && $0.value != "0") }) {
      return .refused(.badRequest)
    }
    let options = fields.filter { $0.name == "connection" }.flatMap { list($0.value) }.map { $0.lowercased() }
    request.keepsAlive = !options.contains("close") && (!isOld || options.contains("keep-alive"))
    request.format = preferredFormat(fields.filter { $0.name == "accept" }.map(\.value))
    return .request(request, byteCount: end)
  }

  // MARK: Lines

  private enum RequestLine {
    case success(HTTPRequest, isOld: Bool)
    case failure(HTTPStatus)
  }

  /// Where the empty line behind the header fields ends. A line may end with LF alone (RFC 9112, 2.2).
  private static func headEnd(_ bytes: [UInt8], from start: Int) -> Int? {
    var lineStart = start
    for i in start..<bytes.count where bytes[i] == UInt8(ascii: "\n") {
      if withoutReturn(bytes[lineStart..<i]).isEmpty { return i + 1 }
      lineStart = i + 1
    }
    return nil
  }

  private static func withoutReturn(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    line.last == UInt8(ascii: "\r") ? line.dropLast() : line
  }

  private static func parseRequestLine(_ line: ArraySlice<UInt8>) -> RequestLine {
    let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 3, isToken(parts[0]), parts[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      return .failure(.badRequest)
    }
    let version = String(decoding: parts[2], as: UTF8.self)
    guard version.hasPrefix("HTTP/"), version.utf8.count == 8 else { return .failure(.badRequest) }
    if !version.hasPrefix("HTTP/1.") { return .failure(.versionNotSupported) }
    var target = String(decoding: parts[1], as: UTF8.self)
    if let scheme = ["http://", "https://"].first(where: { target.lowercased().hasPrefix($0) }) {
      let rest = target.dropFirst(scheme.count)
      target = rest.firstIndex(of: "/").map { String(rest[$0...]) } ?? "/"
    }
    let method: Method =
      switch String(decoding: parts[0], as: UTF8.self) {
      case "GET": .get
      case "HEAD": .head
      default: .other
      }
    let path = target.prefix { $0 != "?" }
    let query = path.endIndex == target.endIndex ? nil : String(target[path.endIndex...].dropFirst())
    let request = HTTPRequest(method: method, path: String(path), query: query, format: .text, keepsAlive: true)
    return .success(request, isOld: version == "HTTP/1.0")
  }

  /// Names in lower case, values without white space around them; nil if a line is no field.
  private static func parseFields(_ lines: ArraySlice<ArraySlice<UInt8>>) -> [(name: String, value: String)]? {
    var fields: [(name: String, value: String)] = []
    for line in lines {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), isToken(line[..<colon]),
        line[colon...].allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
      else { return nil }
      let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
      fields.append((name, trimmed(String(decoding: line[(colon + 1)...], as: UTF8.self))))
    }
    return fields
  }

  private static func isToken(_ bytes: ArraySlice<UInt8>) -> Bool {
    !bytes.isEmpty
      && bytes.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"):
          true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
      }
  }

  private static func list(_ value: String) -> [String] { value.split(separator: ",").map { trimmed(String($0)) } }

  private static func trimmed(_ text: String) -> String {
    var part = text[...]
    while let first = part.first, first == " " || first == "\t" { part = part.dropFirst() }
    while let last = part.last, last == " " || last == "\t" { part = part.dropLast() }
    return String(part)
  }

  // MARK: Content negotiation

  /// OpenMetrics where it is asked for by name and nothing else is wanted more; else the text format, which everybody reads.
  static func preferredFormat(_ accept: [String]) -> Exposition.Format {
    var (openMetrics, plain) = (0, 0)
    for item in accept.flatMap(list) {
      let parts = item.split(separator: ";").map { trimmed(String($0)).lowercased() }
      guard let type = parts.first else { continue }
      let parameters = parts.dropFirst()
      let quality = parameters.first { $0.hasPrefix("q=") }.map { thousandths(String($0.dropFirst(2))) } ?? 1000
      let version = parameters.first { $0.hasPrefix("version=") }?.dropFirst(8)
      switch type {
      case "application/openmetrics-text": if version == nil || version == "1.0.0" { openMetrics = max(openMetrics, quality) }
      case "text/plain", "text/*": if version == nil || version == "0.0.4" { plain = max(plain, quality) }
      default: break
      }
    }
    return openMetrics > 0 && openMetrics >= plain ? .openMetrics : .text
  }

  /// A quality, 0 to 1 with three digits at most, in thousandths; 0 if it is none.
  private static func thousandths(_ text: String) -> Int {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let digits = parts.count == 2 ? parts[1] : ""
    guard let whole = Int(parts[0]), whole == 0 || whole == 1, digits.utf8.count <= 3 else { return 0 }
    guard let fraction = Int(digits + String(repeating: "0", count: 3 - digits.utf8.count)), fraction >= 0 else { return 0 }
    return min(1000, whole * 1000 + fraction)
  }
}
