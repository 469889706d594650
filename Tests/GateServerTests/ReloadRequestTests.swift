// Reloads that are asked for on the control socket, by a host whose answer comes later: as when it compiles policies on another thread.

import CLinux
import Glibc
import Testing

@testable import GatePolicy
@testable import GateServer

@Suite("a reload that is asked for")
struct ReloadRequestTests {
  /// Requests that the host has not answered.
  private final class Waiting {
    var requests: [ReloadRequest] = []
  }

  /// A client of the control socket.
  private final class Client {
    let fd = clinux_socket_unix()

    init(_ path: String) throws { try #require(UnixSocketName(path: path).connect(fd) == 0) }

    deinit { close(fd) }

    func say(_ text: String) {
      let bytes = Array(text.utf8)
      #expect(bytes.withUnsafeBytes { clinux_send_now(fd, $0.baseAddress!, $0.count) } == bytes.count)
    }

    /// What has come; nil: the end.
    func hear() -> String? {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = buffer.withUnsafeMutableBytes { clinux_receive_now(fd, $0.baseAddress!, $0.count) }
      return count == 0 ? nil : String(decoding: buffer[..<max(0, count)], as: UTF8.self)
    }
  }

  private let directory = TemporaryDirectory()
  private var path: String { "\(directory.path)/control" }

  private func settle(_ server: inout Server) throws {
    while try server.dispatch() > 0 {}
  }

  private func server(_ waiting: Waiting?) throws -> Server {
    var server = try Server(log: Log(fd: STDERR_FILENO))
    try server.serveControl(path: path)
    if let waiting { server.onReloadRequest = { _, request in waiting.requests.append(request) } }
    return server
  }

  @Test("is answered when the host says so, whoever else asks meanwhile")
  func later() throws {
    let waiting = Waiting()
    var server = try server(waiting)
    let (client, other) = (try Client(path), try Client(path))
    client.say("reload\nhelp\n")
    try settle(&server)
    other.say("help\n")
    try settle(&server)
    #expect(client.hear() == "" && other.hear()?.hasPrefix("{\"commands\":") == true)
    let request = try #require(waiting.requests.first)
    server.answer(request, .done)
    try settle(&server)
    // What it asked behind that has its turn now.
    let heard = client.hear() ?? ""
    #expect(heard.hasPrefix("{\"reload\":\"done\",\"gates\":[]}\n{\"commands\":"), "\(heard)")
    // Once: whoever answers again answers nobody.
    server.answer(request, .refused(["a:1:1: error: x"]))
    try settle(&server)
    #expect(client.hear() == "" && waiting.requests.count == 1)
  }

  @Test("each is answered with what came of its own, in whatever order")
  func each() throws {
    let waiting = Waiting()
    var server = try server(waiting)
    let clients = [try Client(path), try Client(path)]
    for client in clients {
      client.say("reload\n")
      try settle(&server)
    }
    try #require(waiting.requests.count == 2)
    server.answer(waiting.requests[1], .refused(["a:1:2: error: b", "c:3:4: error: d"]))
    try settle(&server)
    #expect(clients[0].hear() == "")
    let refusal =
      "{\"error\":\"the reload was refused; the old policy stays\",\"errors\":[\"a:1:2: error: b\",\"c:3:4: error: d\"]}\n"
    #expect(clients[1].hear() == refusal)
    server.answer(waiting.requests[0], .done)
    try settle(&server)
    #expect(clients[0].hear() == "{\"reload\":\"done\",\"gates\":[]}\n")
  }

  @Test("one that only closed its sending side is still answered, one that left is not missed")
  func leaving() throws {
    let waiting = Waiting()
    var server = try server(waiting)
    let halfClosed = try Client(path)
    do {
      let gone = try Client(path)
      for client in [halfClosed, gone] {
        client.say("reload")
        _ = clinux_shutdown(client.fd, Int32(SHUT_WR))
        try settle(&server)
      }
    }
    try settle(&server)
    try #require(waiting.requests.count == 2)
    for request in waiting.requests { server.answer(request, .done) }
    try settle(&server)
    #expect(halfClosed.hear() == "{\"reload\":\"done\",\"gates\":[]}\n")
    #expect(halfClosed.hear() == nil)
  }

  @Test("whoever waits keeps the place that others give up for the next")
  func places() throws {
    let waiting = Waiting()
    var server = try server(waiting)
    let first = try Client(path)
    first.say("reload\n")
    try settle(&server)
    var others: [Client] = []
    for _ in 0..<AdminService.control.clientsMax {
      others.append(try Client(path))
      try settle(&server)
    }
    #expect(first.hear() == "" && others[0].hear() == nil && others[1].hear() == "")
    server.answer(waiting.requests[0], .done)
    try settle(&server)
    #expect(first.hear() == "{\"reload\":\"done\",\"gates\":[]}\n")
  }

  @Test("a host that does not reload says so")
  func unable() throws {
    var server = try server(nil)
    let client = try Client(path)
    client.say("reload\n")
    try settle(&server)
    #expect(client.hear()?.hasPrefix("{\"error\":\"this gate has no configuration to read again") == true)
  }

  @Test("a host that stops instead ends it")
  func stopping() throws {
    var server = try server(nil)
    server.onReloadRequest = { server, request in
      server.stop()
      server.answer(request, .done)
    }
    let client = try Client(path)
    client.say("reload\n")
    try settle(&server)
    #expect(client.hear()?.hasPrefix("{\"error\":\"nothing is known of the reload") == true)
    #expect(client.hear() == nil)
  }

  @Test(
    "an answer is read as what it says",
    arguments: [
      (
        #"{"reload":"done","gates":[{"gate":"a","rules":3,"x":[1]},{"rules":1}],"more":{}}"#,
        ReloadAnswer.done([.init(label: "a", rules: 3), .init(label: "", rules: 1)])
      ),
      (#"{"reload":"done"}"#, .done([])), (#"{"error":"no","errors":["a","b"]}"#, .refused(["a", "b"])),
      (#"{"reload":"done","errors":[]}"#, .refused([])), (#"{"error":"unknown command"}"#, .unable("unknown command")),
      ("{}", .unable("what it answers is not about a reload")),
      (#"{"reload":"soon"}"#, .unable("what it answers is not about a reload")),
    ])
  func answers(_ text: String, _ answer: ReloadAnswer) throws {
    #expect(try ReloadAnswer.parse(Array(text.utf8), file: "f") == answer)
  }

  @Test(
    "what is none is refused",
    arguments: ["", "5", "[]", "{", #"{"reload":1}"#, #"{"errors":[1]}"#, #"{"gates":{}}"#, #"{"gates":[{"rules":""}]}"#, "{}x"])
  func noAnswers(_ text: String) {
    #expect(throws: ConfigurationError.self) { try ReloadAnswer.parse(Array(text.utf8), file: "f") }
  }
}
