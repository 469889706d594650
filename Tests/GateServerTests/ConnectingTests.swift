// Connections to a bus that take their time: what is counted of them, whichever way they go.

import CLinux
import GatePolicy
import GateSession
import Glibc
import Testing

@testable import GateServer

@Suite("connecting to a bus takes its time")
struct ConnectingTests {
  /// A gate in front of a bus behind TCP, and the test is client and bus.
  private final class Scene {
    static let guid = "0123456789abcdef0123456789abcdef"
    let directory = TemporaryDirectory()
    var server: Server
    var open: [Int32] = []

    init(_ connectors: [LoopbackConnector], helloTimeout: UInt64 = 30_000) throws {
      server = try Server(log: Log(fd: STDERR_FILENO))
      var options = GateOptions(
        label: "one", address: .path("\(directory.path)/bus"), bus: BusEndpoint(address: "loopback", connectors: connectors),
        policy: Policy(rules: [], busName: "SESSION"))
      options.settings.allowsAnonymousToBus = true
      options.settings.limits.helloTimeout = helloTimeout
      try server.addGate(options)
    }

    deinit { for fd in open { close(fd) } }

    /// Connections of the bus, those whose Hello is not answered, and connections of the gate.
    var counts: [Int] {
      guard let bus = server.buses.id(at: 0), let gate = server.gates.id(at: 0) else { return [] }
      return [server.buses[bus].connectionCount, server.buses[bus].helloPendingCount, server.gates[gate].connectionCount]
    }

    /// Goes on until there is something to read there.
    func goOn(until fd: Int32) throws {
      while true {
        var polled = [server.fileDescriptor, fd].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let count = poll(&polled, nfds_t(polled.count), 10_000)
        try #require(count > 0, "nothing happens")
        if polled[1].revents != 0 { return }
        try server.dispatch()
      }
    }

    func goOn(untilCounts wanted: [Int]) throws {
      while counts != wanted {
        var polled = pollfd(fd: server.fileDescriptor, events: Int16(POLLIN), revents: 0)
        let (count, counts) = (poll(&polled, 1, 10_000), self.counts)
        try #require(count > 0, "the counts are \(counts)")
        try server.dispatch()
      }
    }

    /// A client that says Hello as soon as it is told of the bus.
    func client() throws -> Int32 {
      let fd = clinux_socket_unix()
      open.append(fd)
      let result = UnixSocketName(path: "\(directory.path)/bus").connect(fd)
      try #require(result == 0)
      let uid = "\(geteuid())".utf8.map { String($0, radix: 16) }.joined()
      say("\0AUTH EXTERNAL \(uid)\r\nBEGIN\r\n", to: fd)
      let hello = HelloMessage.bytes(serial: 1)
      _ = hello.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, 0) }
      return fd
    }

    func say(_ text: String, to fd: Int32) {
      let bytes = Array(text.utf8)
      _ = bytes.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, 0) }
    }

    /// The bus's end of the gate's next connection, which has said something.
    func accept(_ port: Loopback) throws -> (fd: Int32, said: String) {
      try goOn(until: port.fd)
      let fd = port.accepted()
      open.append(fd)
      try goOn(until: fd)
      var said = [UInt8](repeating: 0, count: 4096)
      let count = recv(fd, &said, said.count, 0)
      return (fd, String(decoding: said.prefix(max(0, count)), as: UTF8.self))
    }

    /// The gate closes the client, whatever it says before.
    func expectEnd(_ fd: Int32) throws {
      var bytes = [UInt8](repeating: 0, count: 4096)
      repeat { try goOn(until: fd) } while recv(fd, &bytes, bytes.count, 0) > 0
    }

    /// Answers the gate's question who the bus is.
    func tell(_ port: Loopback) throws {
      let (fd, said) = try accept(port)
      #expect(!said.contains("Hello"))
      say("OK \(Self.guid)\r\n", to: fd)
      try goOn(until: fd)
    }
  }

  @Test("a refused alternative is counted no more, and the session is told of one connection only")
  func next() throws {
    let (refuses, listens) = (Loopback(listens: false), Loopback(listens: true))
    let scene = try Scene([LoopbackConnector(port: refuses.port), LoopbackConnector(port: listens.port)])
    let client = try scene.client()
    try scene.tell(listens)
    let (_, said) = try scene.accept(listens)
    #expect(said.hasPrefix("\0AUTH ANONYMOUS"))
    #expect(said.contains("Hello"))
    let counts = scene.counts
    #expect(counts == [1, 1, 1])
    shutdown(client, Int32(SHUT_RDWR))
    try scene.goOn(untilCounts: [0, 0, 0])
  }

  @Test("a client whose connection is refused, or never answered, is closed and counted no more")
  func neither() throws {
    for isRefused in [true, false] {
      let listens = Loopback(listens: true, backlog: 0)
      let scene = try Scene([LoopbackConnector(port: listens.port)], helloTimeout: isRefused ? 30_000 : 2000)
      _ = try scene.client()
      try scene.tell(listens)
      // The first is there and answered, so that the next one need not ask who the bus is.
      let (side, said) = try scene.accept(listens)
      #expect(said.contains("Hello"))
      scene.say("OK \(Scene.guid)\r\n", to: side)
      if isRefused {
        shutdown(listens.fd, Int32(SHUT_RDWR))
      } else {
        for _ in 0..<4 {
          if case .inProgress(let fd) = LoopbackConnector(port: listens.port).connect() { scene.open.append(fd) }
        }
      }
      try scene.goOn(untilCounts: [1, 1, 1])
      let late = try scene.client()
      if !isRefused { try scene.goOn(untilCounts: [2, 2, 2]) }
      try scene.expectEnd(late)
      try scene.goOn(untilCounts: isRefused ? [1, 1, 1] : [0, 0, 0])
    }
  }

  @Test("a client that leaves while its connection is in progress is counted no more")
  func leaves() throws {
    let listens = Loopback(listens: true, backlog: 0)
    let scene = try Scene([LoopbackConnector(port: listens.port)])
    _ = try scene.client()
    try scene.tell(listens)
    let (side, _) = try scene.accept(listens)
    scene.say("OK \(Scene.guid)\r\n", to: side)
    for _ in 0..<4 {
      if case .inProgress(let fd) = LoopbackConnector(port: listens.port).connect() { scene.open.append(fd) }
    }
    let late = try scene.client()
    try scene.goOn(untilCounts: [2, 2, 2])
    close(late)
    scene.open.removeAll { $0 == late }
    try scene.goOn(untilCounts: [1, 1, 1])
  }
}
