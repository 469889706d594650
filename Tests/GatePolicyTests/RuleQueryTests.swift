import DBusWire
import Testing

@testable import GatePolicy

@Suite("what rules are asked about a message")
struct RuleQueryTests {
  /// A message with an interface, a path, a member, a destination, a sender and two descriptors.
  private func message(_ type: UInt8, _ order: ByteOrder) -> [UInt8] {
    func number(_ value: UInt32) -> [UInt8] {
      let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
      return order == .little ? bytes : bytes.reversed()
    }
    var fields: [UInt8] = []
    for (code, signature, text) in [
      (1, "o", "/a/b"), (2, "s", "org.example.Door"), (3, "s", "Open"), (6, "s", "org.example.House"), (7, "s", ":1.5"),
    ] as [(UInt8, String, String)] {
      fields += [code, 1] + Array(signature.utf8) + [0] + number(UInt32(text.utf8.count)) + Array(text.utf8) + [0]
      while fields.count % 8 != 0 { fields.append(0) }
    }
    fields += [9, 1] + Array("u".utf8) + [0] + number(2)
    return [order.rawValue, type, 0, 1] + number(0) + number(7) + number(UInt32(fields.count)) + fields
  }

  /// Calls `body` with a query about the message that these bytes are.
  private func withQuery<R>(_ bytes: [UInt8], _ direction: Direction, _ body: (RuleQuery) -> R) throws -> R {
    let span = bytes.span.bytes
    var header = MessageHeader()
    try header.read(span, frame: try MessageFrame(span))
    let headers: InlineArray<1, MessageHeader> = [header]
    return body(RuleQuery(MessageView(span, header: headers.span), direction: direction))
  }

  private func text(_ bytes: RawSpan) -> String { bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }

  @Test("has a message's own fields", arguments: [ByteOrder.little, .big])
  func fields(order: ByteOrder) throws {
    for (type, isSignal) in [(1, false), (4, true)] as [(UInt8, Bool)] {
      for direction in [Direction.outgoing, .incoming] {
        try withQuery(message(type, order), direction) { query in
          #expect(query.direction == direction && query.isSignal == isSignal && query.descriptors == 2)
          #expect(text(query.path) == "/a/b" && text(query.interface) == "org.example.Door" && text(query.member) == "Open")
          #expect(
            text(query.name) == (direction == .outgoing ? "org.example.House" : ""), "of who is addressed, never of the client")
        }
      }
    }
  }

  @Test("has no bytes where a message has no field")
  func absent() throws {
    // A call with nothing but its path and its member.
    let fields: [UInt8] =
      [1, 1, 0x6F, 0, 1, 0, 0, 0, 0x2F, 0, 0, 0, 0, 0, 0, 0] + [3, 1, 0x73, 0, 1, 0, 0, 0, 0x4D, 0, 0, 0, 0, 0, 0, 0]
    let bytes: [UInt8] = [0x6C, 1, 0, 1, 0, 0, 0, 0, 7, 0, 0, 0, 26, 0, 0, 0] + fields
    try withQuery(bytes, .outgoing) { query in
      #expect(query.interface.isEmpty && query.name.isEmpty && query.descriptors == 0)
      #expect(text(query.path) == "/" && text(query.member) == "M")
    }
  }

  @Test("has no name unless one is given")
  func noName() {
    let query = RuleQuery(
      direction: .incoming, isSignal: true, interface: RawSpan(), path: RawSpan(), member: RawSpan(), descriptors: 3)
    #expect(query.name.isEmpty && query.isSignal && query.direction == .incoming && query.descriptors == 3)
  }

  /// What each field of a message does to the rules that ask for it, and what it does to their twins that deny.
  @Test(
    "each field counts",
    arguments: [
      rule(interface: "org.example.Door"), rule(path: "/a/b"), rule(methods: ["Open"]), rule(name: "org.example.House"),
      rule(signals: false), rule(maxFDs: 2),
    ])
  func eachCounts(rule same: GatewayRule) throws {
    let bytes = message(1, .little)
    #expect(try withQuery(bytes, .outgoing) { Policy(same).match($0).outcome } == .allow)
    #expect(try withQuery(bytes, .incoming) { Policy(same).match($0).outcome } == .none, "it is a rule for the other way")
    let deny = GatewayRule(
      outgoing: true, incoming: false, interface: same.interface, objectPath: same.objectPath, methods: same.methods,
      methodCalls: same.methodCalls, signals: same.signals, maxFDs: same.maxFDs.map { $0 - 1 }, action: .deny,
      location: same.location, name: same.name)
    #expect(try withQuery(bytes, .outgoing) { Policy(rule(), deny).match($0).outcome } == .deny)
    #expect(try withQuery(bytes, .outgoing) { Policy(rule(), deny).matchDeny($0).outcome } == .deny)
  }

  @Test(
    "another value of a field is another answer",
    arguments: [
      rule(interface: "org.example.Gate"), rule(path: "/a"), rule(methods: ["Close"]), rule(name: "org.example.Barn"),
      rule(methodCalls: false), rule(maxFDs: 1),
    ])
  func othersDoNot(rule other: GatewayRule) throws {
    #expect(try withQuery(message(1, .little), .outgoing) { Policy(other).match($0).outcome } == .none)
  }

  @Test("an incoming message is not known by its destination")
  func incomingName() throws {
    let named = rule(outgoing: false, incoming: true, name: "org.example.House")
    #expect(try withQuery(message(4, .little), .incoming) { Policy(named).match($0).outcome } == .none)
    let policy = Policy(named)
    var peer = MessagePeer()
    peer.owned = policy.patterns(matching: Array("org.example.House".utf8).span.bytes)
    #expect(try withQuery(message(4, .little), .incoming) { policy.match($0, peer: peer).outcome } == .allow, "but by its peer")
  }

  @Test("a name counts only where rules ask for one, and then an own field decides as a given one")
  func sameAnswer() throws {
    let policy = Policy(rule(interface: "org.example.Door", methods: ["Open"], name: "org.example.House"))
    let own = try withQuery(message(1, .big), .outgoing) { policy.matchLiteral($0) }
    let (interface, path, member) = (Array("org.example.Door".utf8), Array("/a/b".utf8), Array("Open".utf8))
    let (house, barn) = (Array("org.example.House".utf8), Array("org.example.Barn".utf8))
    for (name, outcome) in [(house, .allow), (barn, .none), ([], .none)] as [([UInt8], RuleMatch.Outcome)] {
      let query = RuleQuery(
        direction: .outgoing, isSignal: false, interface: interface.span.bytes, path: path.span.bytes, member: member.span.bytes,
        descriptors: 2, name: name.span.bytes)
      #expect(policy.matchLiteral(query).outcome == outcome)
      if outcome == .allow { #expect(policy.matchLiteral(query) == own) }
      #expect(Policy(rule()).match(query).outcome == .allow, "no rule asks for it")
    }
  }
}
