import GateSession
import Glibc
import Testing

@testable import GateServer

@Suite("health")
struct HealthTests {
  private static let start = Instant(milliseconds: 1_000_000)

  private func instant(_ seconds: UInt64) -> Instant { Self.start.advanced(byMilliseconds: seconds * 1000) }

  // MARK: Reach

  @Test("a bus that was not tried, or was reached, has not failed, and is not tried again")
  func well() {
    var reach = BusReach()
    #expect(!reach.hasFailed && !reach.awaitsRetry && reach.state == .untried)
    reach.noteReached(at: instant(1))
    #expect(!reach.hasFailed && !reach.awaitsRetry && reach.state == .reached && reach.triedAt == instant(1))
  }

  @Test("one that failed is tried again ever more seldom, until it is reached")
  func retries() {
    var reach = BusReach()
    reach.noteFailed("away", at: instant(0))
    #expect(reach.hasFailed && reach.awaitsRetry)
    var pauses: [UInt64] = []
    var now = Self.start
    for _ in 0..<20 {
      reach.postpone(from: now)
      pauses.append((reach.retryAt ?? now).milliseconds - now.milliseconds)
      now = reach.retryAt ?? now
      reach.noteFailed("away", at: now)
      #expect(!reach.awaitsRetry)
    }
    #expect(pauses == [1000, 2000, 4000, 8000] + [UInt64](repeating: 10_000, count: 16))
    reach.noteReached(at: now)
    #expect(!reach.hasFailed && reach.retryAt == nil)
    reach.noteFailed("away", at: now)
    reach.postpone(from: now)
    #expect(reach.retryAt == now.advanced(byMilliseconds: 1000))
  }

  @Test("a client that finds it has it tried at once; without a failure that changes nothing")
  func hastened() {
    var reach = BusReach()
    reach.hasten(at: instant(1))
    #expect(reach.retryAt == nil)
    reach.noteFailed("away", at: instant(1))
    for _ in 0..<5 { reach.postpone(from: instant(1)) }
    reach.hasten(at: instant(2))
    #expect(reach.retryAt == instant(2))
  }

  @Test("what the gate had no room for says nothing about the bus", arguments: [EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC])
  func hindered(_ number: Int32) {
    var (untried, failed) = (BusReach(), BusReach())
    failed.noteFailed("away", at: instant(0))
    for seconds: UInt64 in 1...3 {
      untried.noteFailed(SystemError("x", -number), at: instant(seconds))
      failed.noteFailed(SystemError("x", -number), at: instant(seconds))
    }
    #expect(!untried.hasFailed && untried.hindrance != nil && untried.triedAt == nil && untried.awaitsRetry)
    #expect(failed.state == .failed("away") && failed.hindrance != nil && failed.triedAt == instant(0))
    untried.noteReached(at: instant(4))
    #expect(untried.hindrance == nil && !untried.awaitsRetry)
  }

  @Test(
    "what the bus, or its address, is to blame for does",
    arguments: [ENOENT, ECONNREFUSED, EACCES, ELOOP, ETIMEDOUT, EREMCHG, EPIPE, ECHILD])
  func blamed(_ number: Int32) {
    var reach = BusReach()
    reach.noteFailed(SystemError("x", number), at: instant(0))
    #expect(reach.hasFailed && reach.hindrance == nil)
  }

  // MARK: The question

  @Test(
    "a query is decoded, and is the one that asks for a label", arguments: ["a", "sess ion", "é%&=+?/#", "a\u{0}\nb", "", "~._-"])
  func query(_ label: String) throws {
    let target = HealthQuery.target(for: label)
    #expect(target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
    let text = "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n"
    guard case .request(let request, _) = HTTPRequest.read(Array(text.utf8)) else {
      Issue.record("no request")
      return
    }
    #expect(request.path == "/healthz")
    #expect(try HealthQuery(request.query).gate == label)
  }

  @Test("no query asks for all", arguments: [nil, "", "&", "&&"])
  func all(_ query: String?) throws { #expect(try HealthQuery(query).gate == nil) }

  @Test(
    "what is no query is refused",
    arguments: ["a", "gate", "=", "gate=a&gate=b", "gate=%", "gate=%4", "gate=%zz", "gate=%C3", "GATE=a", "gate=a&b=c", "%67ate"])
  func refused(_ query: String) { #expect(throws: HealthQuery.Refusal.self) { try HealthQuery(query) } }

  @Test("a line has no control characters, whatever was said")
  func line() {
    var health = GateHealth(label: "a\nb")
    #expect(health.line == "a?b: ok")
    health.remarks = ["full", "x\u{1B}[2J\u{9B}"]
    #expect(health.line == "a?b: ok (full; x?[2J?)")
    health.faults = ["not listening: y", "bus unreachable"]
    #expect(health.line == "a?b: not listening: y; bus unreachable (full; x?[2J?)")
  }

  // MARK: The answer

  private func response(_ status: HTTPStatus, _ body: String) -> [UInt8] {
    HTTPResponse.bytes(status, body: Array(body.utf8), isHead: false, keepsAlive: false, now: 0)
  }

  @Test("an answer is what its status says")
  func answers() {
    #expect(HealthAnswer.parse(response(.ok, "a: ok\n"), asksForOne: false) == .well("a: ok\n"))
    #expect(HealthAnswer.parse(response(.serviceUnavailable, "é\n"), asksForOne: false) == .ill("é\n"))
    #expect(HealthAnswer.parse(response(.notFound, "no\n"), asksForOne: true) == .noSuchGate("no\n"))
    // A gate that is older does not know the path.
    #expect(HealthAnswer.parse(response(.notFound, "Not Found\n"), asksForOne: false) == nil)
    #expect(HealthAnswer.parse(response(.badRequest, ""), asksForOne: true) == nil)
  }

  @Test("any bytes are a request, a query and an answer, or none of these", arguments: [1, 2, 3, 4] as [UInt64])
  func anything(_ seed: UInt64) {
    var generator = SeededGenerator(state: seed)
    let seeds = [
      "GET /healthz?gate=%41b&x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\na: ok\n",
      #"{"reload":"done","gates":[{"gate":"a","rules":3}]}"#, #"{"error":"a","errors":["b","c"]}"#,
    ].map { Array($0.utf8) }
    for _ in 0..<4_000 {
      var bytes = seeds[Int.random(in: 0..<seeds.count, using: &generator)]
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let at = Int.random(in: 0...bytes.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes.insert(.random(in: 0...255, using: &generator), at: at)
        case 1 where at < bytes.count: bytes.remove(at: at)
        default:
          bytes = Array(
            bytes[..<at] + seeds[Int.random(in: 0..<seeds.count, using: &generator)].suffix(from: 0).prefix(20) + bytes[at...])
        }
      }
      if case .request(let request, let count) = HTTPRequest.read(bytes) {
        #expect(count <= bytes.count)
        // What is understood is asked for by its own target.
        if let label = (try? HealthQuery(request.query))?.gate { #expect((try? HealthQuery(query(of: label)))?.gate == label) }
      }
      _ = HealthAnswer.parse(bytes, asksForOne: true)
      _ = try? ReloadAnswer.parse(bytes, file: "f")
    }
  }

  private func query(of label: String) -> String? { HealthQuery.target(for: label).split(separator: "?").last.map(String.init) }

  @Test("no beginning of an answer is one")
  func beginnings() {
    let whole = response(.ok, "a: ok\nb: ok\n")
    for count in 0..<whole.count { #expect(HealthAnswer.parse(Array(whole[..<count]), asksForOne: true) == nil) }
  }
}
