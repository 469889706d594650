// What a client may say before there is a connection to the bus, and what its gate has together with others.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("before Hello")
struct BeforeHelloTests {
  private static let driver = "org.freedesktop.DBus"

  private func start(_ configure: (inout SessionSettings) -> Void = { _ in }) -> Rig {
    let rig = Rig([rule(.outgoing), rule(.incoming)], configure)
    rig.authenticate()
    return rig
  }

  @Test(
    "every message but a well-formed Hello stays here, and a call is answered",
    arguments: [
      (Draft.call(9, "Do"), "AccessDenied<-9"), (.driver(9, "GetId"), "AccessDenied<-9"),
      (.driver(9, "Hello", .string("x")), "InvalidArgs<-9"),
      (.driver(9, "Hello").changed { $0.destination = ":1.5" }, "AccessDenied<-9"),
      (.driver(9, "Hello").changed { $0.interface = "org.foo" }, "AccessDenied<-9"),
      (.driver(9, "Hello").changed { $0.containerInstance = "/a" }, "AccessDenied<-9"),
      (.driver(9, "Hello").padded(to: 400_000), "InvalidArgs<-9"),
    ])
  func refused(message: Draft, answer: String) throws {
    let rig = start()
    rig.feed(message, from: .client)
    #expect(try rig.summary(.client) == [answer])
    #expect(rig.bus.stream.isEmpty && !rig.requests.contains(.connectBus))
    rig.forget()
    try rig.hello()
  }

  @Test(
    "what wants no answer gets none",
    arguments: [Draft.signal(9, "Sig"), .call(9, "Do").changed { $0.flags = Draft.noReply }, .answer(9, to: 1, of: ":1.5")])
  func silent(message: Draft) throws {
    let rig = start()
    rig.feed(message, from: .client)
    #expect(rig.client.stream.isEmpty && rig.bus.stream.isEmpty && !rig.requests.contains(.connectBus))
    try rig.hello()
  }

  @Test("Hello may leave out what buses do not need, and come a byte at a time", arguments: [true, false])
  func bare(hasInterface: Bool) throws {
    let rig = start()
    let hello = Draft.driver(1, "Hello").changed { if !hasInterface { $0.interface = nil } }.bytes
    for byte in hello.dropLast() { rig.feed([byte], from: .client) }
    #expect(!rig.requests.contains(.connectBus))
    rig.feed([hello.last!], from: .client)
    #expect(rig.requests.contains(.connectBus) && rig.bus.stream == hello)
  }

  @Test("a client that said Hello and nothing else need not be heard of any more, until it is answered")
  func onlyHello() throws {
    let rig = Rig([rule(.outgoing)])
    rig.connectsAtOnce = false
    rig.authenticate()
    #expect(!rig.saidOnlyHello(unconsumed: 0), "it has not said it")
    let hello = Draft.driver(1, "Hello").bytes
    rig.feed(hello, from: .client)
    #expect(rig.saidOnlyHello(unconsumed: hello.count) && !rig.saidOnlyHello(unconsumed: hello.count + 1))
    rig.connect()
    #expect(rig.saidOnlyHello(unconsumed: 0) && !rig.saidOnlyHello(unconsumed: 1))
    rig.feed(.call(2, "Do"), from: .client)
    #expect(!rig.saidOnlyHello(unconsumed: 0), "something was forwarded behind it")
  }

  @Test("nothing of what is filtered by names is told before, and names are followed after it")
  func namesWait() throws {
    let rig = start { $0.isUnfiltered = true }
    rig.feed(.driver(9, "ListNames"), from: .client)
    #expect(try rig.summary(.client) == ["AccessDenied<-9"], "an unfiltered gate opens no connection for it either")
  }
}

@Suite("what the sessions of a gate have together")
struct GateCountTests {
  @Test(
    "match rules and names are refused beyond the total, and given back by whoever leaves",
    arguments: ["AddMatch", "RequestName"])
  func total(member: String) throws {
    let total = GateCount(max: 2)
    func open() throws -> Rig {
      try Rig.open([rule(.outgoing)]) {
        $0.matchesTotal = total
        $0.namesTotal = total
      }
    }
    func ask(_ rig: Rig, _ serial: UInt32, _ word: String) throws -> Bool {
      let isMatch = member == "AddMatch"
      let values: [Draft.Value] = isMatch ? [.string("member='\(word)'")] : [.string("org.foo.\(word)"), .number(0)]
      rig.forget()
      rig.feed(Draft.driver(serial, member).with(values), from: .client)
      return try rig.summary(.client).isEmpty
    }
    let second = try open()
    do {
      let first = try open()
      #expect(try ask(first, 2, "A"))
      #expect(try ask(second, 2, "B"))
      #expect(try !ask(first, 3, "C") && !ask(second, 3, "C"))
      #expect(try second.summary(.client) == ["LimitsExceeded<-3"])
      #expect(total.count == 2)
    }
    #expect(total.count == 1)
    #expect(try ask(second, 4, "C") && !ask(second, 5, "D"))
  }
}
