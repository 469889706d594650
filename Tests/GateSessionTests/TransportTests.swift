// What the transports on both sides carry, and what client and bus are therefore told and asked.

import DBusWire
import GatePolicy
import GateSimulation
import Testing

@testable import GateSession

extension Transport {
  /// Carries neither descriptors nor credentials, as TCP does.
  fileprivate static let bare = Transport(name: "tcp", carriesDescriptors: false, carriesCredentials: false)
  /// Carries credentials alone.
  fileprivate static let withoutDescriptors = Transport(name: "x", carriesDescriptors: false, carriesCredentials: true)
  /// Carries descriptors alone.
  fileprivate static let withoutCredentials = Transport(name: "y", carriesDescriptors: true, carriesCredentials: false)
  fileprivate static let all = [unix, withoutDescriptors, withoutCredentials, bare]
}

private let external = "\0AUTH EXTERNAL 353030\r\n"
private let anonymous = "\0AUTH ANONYMOUS 62757367617465\r\n"
private let byTransport = "\0AUTH EXTERNAL\r\nDATA\r\n"

@Suite("a transport")
struct TransportTests {
  // MARK: To the client

  @Test(
    "passes descriptors to a client only if it carries them, and the bus takes them", arguments: Transport.all, [true, false])
  func clientDescriptors(transport: Transport, busAgrees: Bool) {
    let held = HeldPair(bus: testBus(unixFDs: busAgrees)) {
      $0.clientTransport = transport
      $0.allowsAnonymous = true
    }
    let login = transport.carriesCredentials ? HeldPair.login : "\0AUTH ANONYMOUS\r\n"
    _ = held.client("\(login)NEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    let agreed = transport.carriesDescriptors && busAgrees
    #expect(held.phases.client == .open)
    #expect(held.said(to: .client).contains("AGREE_UNIX_FD") == agreed)
    #expect(held.takesDescriptors == [agreed, agreed])
    held.request()
    #expect(held.connect() == nil)
    #expect(
      held.said(to: .bus) == external + (agreed ? "NEGOTIATE_UNIX_FD\r\n" : "") + "BEGIN\r\n", "the bus is asked for no more")
  }

  @Test("that carries no credentials has nobody believed, whatever uid comes with it", arguments: Transport.all)
  func clientCredentials(transport: Transport) {
    let held = HeldPair(peerUID: 1000) { $0.clientTransport = transport }
    _ = held.client(HeldPair.login)
    #expect(held.said(to: .client) == (transport.carriesCredentials ? "OK \(Rig.guid)\r\n" : "REJECTED\r\n"))
  }

  @Test("that carries no credentials lets a client be nobody, if that is allowed", arguments: [true, false])
  func clientAnonymous(isAllowed: Bool) {
    let held = HeldPair(peerUID: 1000) {
      $0.clientTransport = .bare
      $0.allowsAnonymous = isAllowed
    }
    _ = held.client("\0AUTH\r\n")
    #expect(held.said(to: .client) == (isAllowed ? "REJECTED ANONYMOUS\r\n" : "REJECTED\r\n"))
    _ = held.client("AUTH ANONYMOUS\r\n")
    #expect(held.said(to: .client) == (isAllowed ? "OK \(Rig.guid)\r\n" : "REJECTED\r\n"))
  }

  @Test("of a client is the session's, by its settings", arguments: [Transport.unix, .withoutDescriptors])
  func settings(transport: Transport) {
    let rig = Rig { $0.clientTransport = transport }
    rig.feed("\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", from: .client)
    let said = String(decoding: rig.client.own, as: UTF8.self)
    #expect(said.contains("AGREE_UNIX_FD") == transport.carriesDescriptors && said.hasPrefix("OK "))
    #expect(rig.session.bus == Rig.identity, "what is known of the bus stays what it is, for others")
  }

  // MARK: To the bus

  /// Both sides of a pair whose client has agreed to what the bus is known for.
  private static func held(
    busAgrees: Bool, _ transport: Transport, allowsAnonymous: Bool = true
  ) -> (pair: HeldPair, refusal: CloseReason?) {
    let held = HeldPair(bus: testBus(unixFDs: busAgrees)) { $0.allowsAnonymousToBus = allowsAnonymous }
    _ = held.client("\(HeldPair.login)NEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    held.request()
    return (held, held.connect(over: transport))
  }

  @Test("to the bus is asked for no descriptors if it carries none", arguments: Transport.all)
  func busDescriptors(transport: Transport) {
    let (held, refusal) = Self.held(busAgrees: false, transport)
    #expect(refusal == nil)
    #expect(held.said(to: .bus) == (transport.carriesCredentials ? external : anonymous) + "BEGIN\r\n")
    _ = held.bus("OK \(testGUID)\r\n")
    #expect(held.isOpen && held.takesDescriptors == [false, false])
  }

  @Test(
    "to the bus that carries less than the client was told is none to go on with: nothing is said there", arguments: Transport.all
  )
  func busCarriesLess(transport: Transport) {
    let (held, refusal) = Self.held(busAgrees: true, transport)
    #expect(refusal == (transport.carriesDescriptors ? nil : .busChanged))
    #expect(held.said(to: .bus).contains("NEGOTIATE_UNIX_FD") == transport.carriesDescriptors)
    #expect((held.phases.bus == .handshake) == transport.carriesDescriptors)
  }

  @Test(
    "to the bus that carries no credentials has the gate be nobody, if that is allowed", arguments: Transport.all, [true, false])
  func busCredentials(transport: Transport, isAllowed: Bool) {
    let (held, refusal) = Self.held(busAgrees: false, transport, allowsAnonymous: isAllowed)
    let said = held.said(to: .bus)
    if transport.carriesCredentials {
      #expect(refusal == nil && said.hasPrefix(external), "who may be nobody is somebody all the same")
    } else if isAllowed {
      #expect(refusal == nil && said.hasPrefix(anonymous))
    } else {
      #expect(refusal == .handshake(.bus, .busTransportWithoutCredentials) && said == "" && held.phases.bus == .requested)
    }
  }

  @Test("to the bus is told to the session", arguments: Transport.all)
  func session(transport: Transport) {
    let said = Self.connectSession(over: transport)
    #expect(said == (transport == .unix ? "\(external)NEGOTIATE_UNIX_FD\r\nBEGIN\r\n" : ""))
  }

  /// What a session whose client was told that descriptors pass says to a bus.
  private static func connectSession(over transport: Transport) -> String {
    var session = Session(
      settings: SessionSettings(), peerUID: 1000, ownUID: 500, bus: Rig.identity, owners: OwnerDirectory(ownersMax: 1),
      at: Instant(milliseconds: 0))
    var output = Output()
    let login = Array("\(HeldPair.login)NEGOTIATE_UNIX_FD\r\nBEGIN\r\n".utf8)
    let bytes = login + Draft.driver(1, "Hello").bytes
    let policy = Policy(rules: [], busName: "SESSION")
    var consumed = 0
    while !output.requests.contains(.connectBus) && consumed < bytes.count {
      output.removeAll()
      consumed += session.receive(
        bytes.span.bytes.extracting(droppingFirst: consumed), from: .client, descriptors: 0, policy: policy,
        at: Instant(milliseconds: 0), into: &output)
      if output.requests.contains(.connectBus) { break }
    }
    let refusal = session.busConnected(at: Instant(milliseconds: 0), over: transport)
    #expect((refusal == nil) == (transport.carriesDescriptors && transport.carriesCredentials))
    let said: [UInt8] = session.withLocalOutput(to: .bus) { Array($0) }
    return String(decoding: said, as: UTF8.self)
  }

  // MARK: For who connects without a client

  @Test("decides what a handshake says", arguments: Transport.all, [true, false])
  func handshake(transport: Transport, asks: Bool) throws {
    for (uid, words) in [(500 as UInt32?, external), (nil, byTransport)] {
      var client = try #require(ClientHandshake(over: transport, uid: uid, allowsAnonymous: true, negotiateUnixFDs: asks))
      var output = HandshakeOutput()
      client.start(into: &output)
      let said = output.drained()
      let question = asks && transport.carriesDescriptors ? "NEGOTIATE_UNIX_FD\r\n" : ""
      #expect(said == (transport.carriesCredentials ? words : anonymous) + question + "BEGIN\r\n")
    }
    let strict = ClientHandshake(over: transport, uid: 500, allowsAnonymous: false, negotiateUnixFDs: asks)
    #expect((strict != nil) == transport.carriesCredentials)
  }

  @Test("that carries no credentials has no observer, unless that may be nobody", arguments: Transport.all, [true, false])
  func observer(transport: Transport, isAllowed: Bool) {
    func said() -> String? {
      guard
        let observer = OwnerObserver(
          OwnerDirectory(ownersMax: 1), ownUID: 500, over: transport, allowsAnonymous: isAllowed)
      else { return nil }
      let said: [UInt8] = observer.output.withBytes { Array($0) }
      return String(decoding: said, as: UTF8.self)
    }
    let expected = transport.carriesCredentials ? external : isAllowed ? anonymous : nil
    #expect(said()?.prefix(while: { $0 != "\r\n" }) == expected?.prefix(while: { $0 != "\r\n" }))
  }
}
