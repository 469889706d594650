// Both handshakes of a session by themselves: in which order they go, what is agreed on, and how long they may take.

import DBusWire
import Testing

@testable import GateSession

/// The part, with what it says to either side, held where #expect does not copy it.
final class HeldPair {
  private var pair: HandshakePair
  private var toClient = LocalOutput(limit: 65_536)
  private var toBus = LocalOutput(limit: 65_536)
  private(set) var output = Output()

  init(bus: BusIdentity? = Rig.identity, peerUID: UInt32? = 1000, _ configure: (inout SessionSettings) -> Void = { _ in }) {
    var settings = SessionSettings()
    configure(&settings)
    pair = HandshakePair(settings, peerUID: peerUID, ownUID: 500, bus: bus, at: Instant(milliseconds: 1000))
  }

  var phases: (client: HandshakePair.ClientPhase, bus: HandshakePair.BusPhase) { (pair.clientPhase, pair.busPhase) }
  var isOpen: Bool { pair.isOpen }
  var isAuthenticating: Bool { pair.isAuthenticating }
  var takesDescriptors: [Bool] { [pair.clientTakesDescriptors, pair.busTakesDescriptors] }
  var helloByteCount: Int { pair.helloByteCount }
  var knowsBus: Bool { pair.knownBus != nil }
  var close: CloseReason? { output.close }
  var requests: Output.Requests { output.requests }
  var wait: String { "\(output.wait)" }
  var claimedUID: UInt32 { output.claimedUID }

  /// What was said since the last time.
  func said(to side: Side) -> String {
    func take(_ local: inout LocalOutput) -> String {
      let bytes = local.withBytes { Array($0) }
      local.removeFirst(bytes.count)
      return String(decoding: bytes, as: UTF8.self)
    }
    return side == .client ? take(&toClient) : take(&toBus)
  }

  func client(_ text: String) -> Int {
    output.removeAll()
    let bytes = Array(text.utf8)
    return pair.receiveFromClient(bytes.span.bytes, &toClient, into: &output)
  }

  func bus(_ text: String) -> Int {
    output.removeAll()
    let bytes = Array(text.utf8)
    return pair.receiveFromBus(bytes.span.bytes, into: &output)
  }

  func fill() { while toClient.hasRoom { toClient.append([UInt8](repeating: 0x20, count: 1024).span.bytes) } }
  func request(helloByteCount: Int = 128) { pair.requestBus(helloByteCount: helloByteCount) }
  @discardableResult
  func connect(saysUID: Bool = true, over transport: Transport = .unix, at now: UInt64 = 2000) -> CloseReason? {
    pair.connectBus(over: transport, saysUID: saysUID, helloTimeout: 5000, at: Instant(milliseconds: now), &toBus)
  }
  func identifyBus() { pair.identifyBus(Rig.identity) }
  func identifyClient(accepted: Bool) { pair.identifyClient(accepted: accepted, &toClient) }
  func deadline(isRegistered: Bool = false) -> UInt64? { pair.deadline(isRegistered: isRegistered)?.milliseconds }
  func expire(isRegistered: Bool = false, at now: UInt64) -> CloseReason? {
    pair.expire(isRegistered: isRegistered, at: Instant(milliseconds: now))
  }

  static let login = "\0AUTH EXTERNAL 31303030\r\n"
}

@Suite("both handshakes of a session")
struct HandshakePairTests {
  private static let guid = Rig.guid

  @Test("the client's comes first; the bus's when it is asked for and there; then both are open")
  func phases() {
    let held = HeldPair()
    #expect(held.phases == (.handshake, .absent) && held.isAuthenticating)
    #expect(held.client("\(HeldPair.login)BEGIN\r\nrest") == HeldPair.login.utf8.count + 7)
    #expect(held.phases == (.open, .absent) && held.isAuthenticating, "it has not said Hello")
    held.request(helloByteCount: 77)
    #expect(held.phases == (.open, .requested) && !held.isAuthenticating && held.helloByteCount == 77)
    held.connect()
    #expect(held.phases == (.open, .handshake) && !held.isOpen)
    #expect(held.bus("OK \(Self.guid)\r\nrest") == 37)
    #expect(held.phases == (.open, .open) && held.isOpen && held.requests == [.busKnown, .resumeClient])
  }

  @Test("half a line is left where it is, and moves nothing", arguments: [Side.client, .bus])
  func partial(side: Side) {
    let held = HeldPair()
    if side == .client {
      #expect(held.client("\0AUTH EXT") == 1 && held.wait == "bytes" && held.phases == (.handshake, .absent))
      return
    }
    _ = held.client("\(HeldPair.login)BEGIN\r\n")
    held.request()
    held.connect()
    #expect(held.bus("OK \(Self.guid)\r") == 0 && held.phases == (.open, .handshake) && held.requests == [])
  }

  @Test("nothing that the client says reaches the bus, nor the other way round")
  func apart() {
    let held = HeldPair()
    _ = held.client("\(HeldPair.login)BEGIN\r\n")
    #expect(held.said(to: .client) == "OK \(Self.guid)\r\n" && held.said(to: .bus) == "")
    held.request()
    held.connect()
    #expect(held.said(to: .bus) == "\0AUTH EXTERNAL 353030\r\nBEGIN\r\n")
    _ = held.bus("OK \(Self.guid)\r\n")
    #expect(held.said(to: .client) == "" && held.said(to: .bus) == "")
  }

  @Test("the gate says its user, or leaves that to the transport", arguments: [true, false])
  func ownUser(saysUID: Bool) {
    let held = HeldPair()
    _ = held.client("\(HeldPair.login)BEGIN\r\n")
    held.request()
    held.connect(saysUID: saysUID)
    #expect(held.said(to: .bus) == (saysUID ? "\0AUTH EXTERNAL 353030\r\nBEGIN\r\n" : "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"))
  }

  // MARK: Descriptors

  @Test("descriptors are agreed on with the bus as they were with the client", arguments: [true, false])
  func descriptors(negotiates: Bool) {
    let held = HeldPair()
    let asks = negotiates ? "NEGOTIATE_UNIX_FD\r\n" : ""
    _ = held.client("\(HeldPair.login)\(asks)BEGIN\r\n")
    #expect(held.said(to: .client).hasSuffix("AGREE_UNIX_FD\r\n") == negotiates)
    #expect(held.takesDescriptors == [negotiates, negotiates], "the bus is taken at the word that the client was given")
    held.request()
    held.connect()
    #expect(held.said(to: .bus).contains("NEGOTIATE_UNIX_FD") == negotiates)
    _ = held.bus("OK \(Self.guid)\r\n\(negotiates ? "AGREE_UNIX_FD\r\n" : "")")
    #expect(held.isOpen && held.takesDescriptors == [negotiates, negotiates])
  }

  @Test("a client is told that descriptors pass only where the bus takes them")
  func noDescriptors() {
    let held = HeldPair(bus: BusIdentity(guid: Rig.identity.guid, unixFDs: false))
    _ = held.client("\(HeldPair.login)NEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    #expect(held.said(to: .client).contains("ERROR") && held.takesDescriptors == [false, false])
  }

  @Test(
    "a bus that is another than the client was told of, or agrees to less, is none to go on with",
    arguments: [
      ("OK ffffffffffffffffffffffffffffffff\r\nAGREE_UNIX_FD\r\n", CloseReason.busChanged),
      ("OK \(Rig.guid)\r\nERROR\r\n", .busChanged),
      ("REJECTED EXTERNAL\r\n", .handshake(.bus, .busRejected(offered: "EXTERNAL"))),
    ])
  func otherBus(answer: String, reason: CloseReason) {
    let held = HeldPair()
    _ = held.client("\(HeldPair.login)NEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    held.request()
    held.connect()
    _ = held.bus(answer)
    #expect(held.close == reason && !held.isOpen && held.requests == [])
  }

  // MARK: What others have to say

  @Test("what the client is told of the bus is asked for once, and waited for")
  func unknownBus() {
    let held = HeldPair(bus: nil)
    #expect(held.client(HeldPair.login) == HeldPair.login.utf8.count && held.wait == "bus" && held.requests == .identifyBus)
    #expect(held.said(to: .client) == "" && !held.knowsBus)
    #expect(held.client("BEGIN\r\n") == 0 && held.wait == "bus" && held.requests == [], "it was asked for")
    held.identifyBus()
    #expect(held.client("BEGIN\r\n") == 7 && held.knowsBus && held.said(to: .client) == "OK \(Self.guid)\r\n")
  }

  @Test("whether the client is who it says it is others decide", arguments: [true, false])
  func identity(isAccepted: Bool) {
    let held = HeldPair()
    _ = held.client("\0AUTH EXTERNAL 3432\r\n")
    #expect(held.wait == "identity" && held.claimedUID == 42 && held.said(to: .client) == "")
    #expect(held.client("") == 0 && held.wait == "identity", "it is asked until it is answered")
    held.identifyClient(accepted: isAccepted)
    _ = held.client("")
    #expect(held.said(to: .client) == (isAccepted ? "OK \(Self.guid)\r\n" : "REJECTED EXTERNAL\r\n"))
  }

  @Test("ANONYMOUS is to be had if the settings say so", arguments: [true, false])
  func anonymous(isAllowed: Bool) {
    let held = HeldPair { $0.allowsAnonymous = isAllowed }
    _ = held.client("\0AUTH ANONYMOUS\r\n")
    #expect(held.said(to: .client) == (isAllowed ? "OK \(Self.guid)\r\n" : "REJECTED EXTERNAL\r\n"))
  }

  @Test("a client that takes no answers is not listened to")
  func room() {
    let held = HeldPair()
    held.fill()
    #expect(held.client(HeldPair.login) == 0 && held.wait == "localOutput(GateSession.Side.client)")
    _ = held.said(to: .client)
    #expect(held.client(HeldPair.login) == HeldPair.login.utf8.count)
  }

  @Test("a client that speaks nonsense is closed")
  func nonsense() {
    let held = HeldPair()
    _ = held.client("GET / HTTP/1.1\r\n")
    #expect(held.close == .handshake(.client, .noLeadingNUL))
  }

  // MARK: Time

  @Test("until Hello is in hand the client has auth-timeout from its beginning on")
  func authentication() {
    let held = HeldPair { $0.limits.authTimeout = 30_000 }
    #expect(held.deadline() == 31_000)
    _ = held.client("\(HeldPair.login)BEGIN\r\n")
    #expect(held.deadline() == 31_000, "it may still say nothing")
    #expect(held.expire(at: 30_999) == nil && held.expire(at: 31_000) == .authTimeout)
    held.request()
    #expect(held.deadline() == nil && held.expire(at: 99_000) == nil, "it is the server's to connect")
  }

  @Test("from the connection on the bus has hello-timeout to answer; what is answered has no time")
  func hello() {
    let held = HeldPair()
    _ = held.client("\(HeldPair.login)BEGIN\r\n")
    held.request()
    held.connect(at: 40_000)
    for isOpen in [false, true] {
      if isOpen { _ = held.bus("OK \(Self.guid)\r\n") }
      #expect(held.isOpen == isOpen && held.deadline() == 45_000)
      #expect(held.expire(at: 44_999) == nil && held.expire(at: 45_000) == .helloTimeout)
      #expect(held.deadline(isRegistered: true) == nil && held.expire(isRegistered: true, at: 99_000) == nil)
    }
  }
}
