import Testing

@testable import GateServer

@Suite("HTTP request")
struct HTTPRequestTests {
  private func read(_ text: String) -> HTTPRequest.Reading { HTTPRequest.read(Array(text.utf8)) }

  @Test("a request as curl sends it")
  func plain() {
    let text = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"
    let expected = HTTPRequest(method: .get, path: "/metrics", format: .text, keepsAlive: true)
    #expect(read(text) == .request(expected, byteCount: text.utf8.count))
    #expect(read(text + "GET") == .request(expected, byteCount: text.utf8.count))
  }

  @Test("every beginning of a request is incomplete")
  func beginnings() {
    let bytes = Array("\r\nGET /metrics HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n\r\n".utf8)
    for count in 0..<bytes.count { #expect(HTTPRequest.read(Array(bytes[..<count])) == .incomplete) }
    if case .request(_, let count) = HTTPRequest.read(bytes) { #expect(count == bytes.count) } else { Issue.record("not read") }
  }

  @Test(
    "method, path and what becomes of the connection",
    arguments: [
      ("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", HTTPRequest.Method.head, "/metrics", true),
      ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", .other, "/x", true),
      ("GET /metrics?a=b HTTP/1.1\nHost: a\n\n", .get, "/metrics", true), ("GET /a?b?c HTTP/1.1\nHost: a\n\n", .get, "/a", true),
      ("GET http://h:1/metrics HTTP/1.1\r\nHost: a\r\n\r\n", .get, "/metrics", true),
      ("GET http://h HTTP/1.1\r\nHost: a\r\n\r\n", .get, "/", true),
      ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", .get, "/", false),
      ("GET / HTTP/1.1\r\nhOST:\r\nConnection: x, close\r\n\r\n", .get, "/", false),
      ("GET / HTTP/1.0\r\n\r\n", .get, "/", false),
      ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", .get, "/", true),
    ])
  func accepted(_ text: String, _ method: HTTPRequest.Method, _ path: String, _ keepsAlive: Bool) {
    guard case .request(let request, _) = read(text) else {
      Issue.record("refused")
      return
    }
    #expect((request.method, request.path, request.keepsAlive) == (method, path, keepsAlive))
  }

  @Test(
    "what is no request, or one that would need more than a scrape does",
    arguments: [
      ("x\r\n\r\n", HTTPStatus.badRequest), ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("GET /\r\n\r\n", .badRequest),
      ("GET / http/1.1\r\nHost: a\r\n\r\n", .badRequest), ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost: a\u{0}b\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", .badRequest),
      ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .versionNotSupported), ("\u{16}\u{3}\u{1}\u{2}\n\n", .badRequest),
    ])
  func refused(_ text: String, _ status: HTTPStatus) { #expect(read(text) == .refused(status)) }

  @Test("8 KiB are enough for a request, one byte more is not")
  func size() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nX: "
    for (extra, fits) in [(0, true), (1, false)] {
      let filler = String(repeating: "x", count: HTTPRequest.byteCountMax - head.utf8.count - 4 + extra)
      if case .request = read(head + filler + "\r\n\r\n") {
        #expect(fits)
      } else {
        #expect(!fits && read(head + filler + "\r\n\r\n") == .refused(.headerFieldsTooLarge))
      }
    }
    #expect(read(String(repeating: "x", count: HTTPRequest.byteCountMax)) == .refused(.headerFieldsTooLarge))
  }

  @Test(
    "OpenMetrics where it is asked for by name and nothing is wanted more",
    arguments: [
      ([], Exposition.Format.text), (["*/*"], .text), (["text/plain"], .text), (["application/openmetrics-text"], .openMetrics),
      (["application/openmetrics-text;version=1.0.0;q=0.5, text/plain;version=0.0.4;q=0.3, */*;q=0.2"], .openMetrics),
      (
        [
          "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        ], .openMetrics
      ),
      (["application/openmetrics-text; version=1.0.0; q=0.2", "text/plain;q=0.3"], .text),
      (["application/openmetrics-text;version=0.0.1"], .text), (["application/openmetrics-text;q=0"], .text),
      (["application/openmetrics-text;q=x"], .text), (["APPLICATION/OpenMetrics-Text ; Version=1.0.0"], .openMetrics),
      ([",;,;q=1,"], .text), (["application/openmetrics-text;q=-1"], .text), (["application/openmetrics-text;q=0.0001"], .text),
    ] as [([String], Exposition.Format)])
  func negotiation(_ accept: [String], _ format: Exposition.Format) { #expect(HTTPRequest.preferredFormat(accept) == format) }

  @Test("a response counts the body that HEAD leaves out")
  func response() {
    let response = String(
      decoding: HTTPResponse.bytes(.ok, body: [1, 2, 3], isHead: true, keepsAlive: false, now: 0), as: UTF8.self)
    #expect(response.hasPrefix("HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"))
    #expect(response.contains("\r\nContent-Length: 3\r\n") && response.hasSuffix("\r\nConnection: close\r\n\r\n"))
  }
}
