// Connecting to a bus: the alternatives in their order, connections in progress, and the Hello at the start.

import DBusWire
import GateSession
import Glibc
import Testing

@testable import GateServer

/// What an opening came to, closed again.
private enum Came: Equatable {
  case connected(Int, Transport)
  case inProgress(Int, Transport)
  case busy
  case failed(Int32)

  init(_ opening: BusEndpoint.Opening) {
    switch opening {
    case .connected(let opened):
      close(opened.fd)
      self = .connected(opened.alternative, opened.transport)
    case .inProgress(let opened):
      close(opened.fd)
      self = .inProgress(opened.alternative, opened.transport)
    case .busy: self = .busy
    case .failed(let number): self = .failed(number)
    }
  }
}

@Suite("connecting to a bus")
struct BusEndpointTests {
  /// The connection that is in progress, once something came of it.
  private static func awaited(_ opening: BusEndpoint.Opening) throws -> BusEndpoint.Opened {
    guard case .inProgress(let opened) = opening else {
      Issue.record("\(opening) is not in progress")
      throw SystemError("not in progress", 0)
    }
    var poller = pollfd(fd: opened.fd, events: Int16(POLLOUT), revents: 0)
    try #require(poll(&poller, 1, 30_000) == 1)
    return opened
  }

  private static func endpoint(_ ports: Loopback...) -> BusEndpoint {
    BusEndpoint(address: "tcp:", connectors: ports.map { LoopbackConnector(port: $0.port) })
  }

  // MARK: In progress

  @Test("a connection in progress is connected when its descriptor is writable")
  func inProgress() throws {
    let bus = Loopback(listens: true)
    let opened = try Self.awaited(Self.endpoint(bus).connect())
    let theirs = bus.accepted()
    defer { for fd in [opened.fd, theirs] { close(fd) } }
    #expect(opened.result() == 0 && opened.alternative == 0 && opened.transport == LoopbackConnector.transport)
    #expect(write(opened.fd, "x", 1) == 1)
    var byte: UInt8 = 0
    #expect(read(theirs, &byte, 1) == 1 && byte == UInt8(ascii: "x"))
  }

  @Test("a connection in progress that is refused says so, and leads to the next alternative")
  func refused() throws {
    let (nobody, bus) = (Loopback(listens: false), Loopback(listens: true))
    let endpoint = Self.endpoint(nobody, bus)
    let first = try Self.awaited(endpoint.connect())
    #expect(first.alternative == 0 && first.result() == -ECONNREFUSED)
    close(first.fd)
    let second = try Self.awaited(endpoint.connect(from: first.alternative + 1, after: -ECONNREFUSED))
    #expect(second.alternative == 1 && second.result() == 0)
    close(second.fd)
  }

  @Test("a connection that nobody has answered yet is still in progress")
  func unanswered() throws {
    let bus = Loopback(listens: true, backlog: 0)
    let endpoint = Self.endpoint(bus)
    var results: [Int32] = []
    // The kernel answers as many as fit into the backlog, and drops what comes then.
    var open: [Int32] = []
    defer { for fd in open { close(fd) } }
    while open.count < 16 && results.last != -EINPROGRESS {
      guard case .inProgress(let opened) = endpoint.connect() else { break }
      open.append(opened.fd)
      results.append(opened.result())
    }
    #expect(results.first == 0 && results.last == -EINPROGRESS)
  }

  @Test("behind the last alternative its failure is what is told")
  func refusedByAll() throws {
    let nobody = Loopback(listens: false)
    let endpoint = Self.endpoint(nobody)
    let opened = try Self.awaited(endpoint.connect())
    let result = opened.result()
    close(opened.fd)
    #expect(Came(endpoint.connect(from: opened.alternative + 1, after: result)) == .failed(-ECONNREFUSED))
  }

  // MARK: At once

  @Test("alternatives that fail at once are passed over; the last one's error is told if all do")
  func alternatives() throws {
    let directory = TemporaryDirectory()
    let listener = try ListeningSocket(.path("\(directory.path)/bus"))
    defer { listener.close() }
    func come(_ address: String, from first: Int = 0) throws -> Came {
      Came(try BusEndpoint(address: address).connect(from: first))
    }
    let (away, other, there) = ("unix:path=\(directory.path)/away", "unix:path=/etc/passwd", "unix:path=\(directory.path)/bus")
    #expect(try come("\(away);\(there);\(other)") == .connected(1, .unix))
    #expect(try come("\(other);\(away)") == .failed(-ENOENT))
    #expect(try come("\(away);\(other)") == .failed(-ECONNREFUSED))
    #expect(try come("\(there);\(away)", from: 1) == .failed(-ENOENT), "what comes before the first is not tried")
    #expect(try come("tcp:host=localhost,port=1;\(there)") == .connected(0, .unix), "unknown transports do not count")
  }

  @Test("a bus that has no room is busy, whatever alternatives there are")
  func busy() throws {
    let directory = TemporaryDirectory()
    let name = UnixSocketName(path: "\(directory.path)/bus")
    let bus = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    try #require(name.bind(bus) == 0 && listen(bus, 0) == 0)
    let endpoint = try BusEndpoint(address: "unix:path=\(directory.path)/bus;unix:path=/etc/passwd")
    var open = [bus]
    defer { for fd in open { close(fd) } }
    for _ in 0..<16 {
      guard case .connected(let opened) = endpoint.connect() else { break }
      open.append(opened.fd)
    }
    #expect(open.count > 1 && Came(endpoint.connect()) == .busy)
  }

  @Test(
    "a program that cannot be started is passed over, with its error number",
    arguments: [("/nonexistent/program", ENOENT), ("/etc/passwd", EACCES)])
  func program(path: String, failure: Int32) throws {
    let endpoint = try BusEndpoint(address: "unixexec:path=\(path)")
    #expect(endpoint.startsPrograms && Came(endpoint.connect()) == .failed(-failure))
    #expect(ProgramConnector.transport == Transport(name: "unixexec", carriesDescriptors: true, carriesCredentials: true))
  }

  @Test("an address without a transport of this version says what was expected")
  func expected() {
    #expect(throws: UsageError.self) { try BusEndpoint(address: "tcp:host=localhost,port=1") }
    do {
      _ = try BusEndpoint(address: "tcp:host=localhost,port=1")
    } catch {
      #expect("\(error)".contains("expected unix:path=, unix:abstract= or unixexec:path= (other transports"))
    }
  }

  // MARK: The Hello at the start

  /// A bus that answers one connection.
  private static func bus(_ port: Loopback, _ answer: [UInt8]) -> Beside {
    let fd = port.fd
    return Beside {
      let client = accept(fd, nil, nil)
      _ = answer.withUnsafeBytes { write(client, $0.baseAddress!, $0.count) }
      // Until the gate closes, so that what was written is not lost.
      var byte: UInt8 = 0
      while read(client, &byte, 1) > 0 {}
      close(client)
    }
  }

  /// OK, and a method return from the bus: its header alone is looked at.
  private static let welcome =
    Array("OK \(String(repeating: "a", count: 32))\r\n".utf8)
    + [UInt8(ascii: "l"), 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 5, 1, 0x75, 0, 1, 0, 0, 0]

  @Test("Hello is answered over a connection that was in progress, by the alternative that took it", arguments: [1, 2])
  func hello(alternatives: Int) {
    let (nobody, port) = (Loopback(listens: false), Loopback(listens: true))
    let bus = Self.bus(port, Self.welcome)
    let endpoint = alternatives == 1 ? Self.endpoint(port) : Self.endpoint(nobody, port)
    #expect(endpoint.failure(toAnswerHelloWithin: 30_000, allowsAnonymous: true) == nil)
    withExtendedLifetime(bus) {}
  }

  @Test("a transport without credentials is not used unless the gate may be nobody there")
  func helloToNobody() {
    let port = Loopback(listens: true)
    let failure = Self.endpoint(port).failure(toAnswerHelloWithin: 30_000)
    #expect(failure?.contains("carries no credentials") == true)
  }

  @Test("a connection in progress that every alternative refuses is told with its reason")
  func helloRefused() {
    let (first, last) = (Loopback(listens: false), Loopback(listens: false))
    let failure = Self.endpoint(first, last).failure(toAnswerHelloWithin: 30_000, allowsAnonymous: true)
    #expect(failure == "cannot connect to the bus at tcp:: Connection refused")
  }

  @Test("a bus that says nothing is given up when the time is over")
  func helloUnanswered() {
    let port = Loopback(listens: true)
    let failure = Self.endpoint(port).failure(toAnswerHelloWithin: 50, allowsAnonymous: true)
    #expect(failure == "the bus at tcp: did not answer Hello within hello-timeout")
  }
}
