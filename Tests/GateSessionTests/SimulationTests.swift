// The world from a seed: a client and a bus that say anything legal to each other through a session, cut at any byte, with descriptors that
// come late and peers that stall. A naive model of the contract decides beside it. What fails says its seed; that alone repeats it.

import DBusWire
import GatePolicy
import Glibc
import Testing

@testable import GateSession

/// What the contract says about each message, in the order in which they were decided on, without thought for speed.
private struct Model {
  struct Answer: Equatable {
    var replySerial: UInt32
    var error: String
    var destination: String
  }

  let messageBytesMax: Int
  let pendingMax: Int
  var outgoing: [UInt32: String] = [:]
  var incoming: Set<String> = []
  /// Errors of the gate's own, in order, by who gets them.
  var toClient: [Answer] = []
  var toBus: [Answer] = []

  private func isOverLimit(_ message: Draft, _ bytes: [UInt8]) -> Bool {
    bytes.count > messageBytesMax || message.unixFDs ?? 0 > 16
  }

  private func key(_ caller: String?, _ serial: UInt32?) -> String { "\(caller ?? "") \(serial ?? 0)" }

  /// Whether a message of the client's goes to the bus.
  mutating func allowsOutgoing(_ message: Draft, _ bytes: [UInt8]) -> Bool {
    let overLimit = isOverLimit(message, bytes)
    switch message.type {
    case 1:
      func deny(_ error: String) -> Bool {
        if message.flags & 1 == 0 { toClient.append(Answer(replySerial: message.serial, error: error, destination: Rig.name)) }
        return false
      }
      if overLimit { return deny("LimitsExceeded") }
      if message.member != "Do" && message.member != "ListNames" { return deny("AccessDenied") }
      if message.flags & 1 != 0 { return true }
      if outgoing[message.serial] != nil { return deny("InvalidArgs") }
      if outgoing.count >= pendingMax { return deny("LimitsExceeded") }
      outgoing[message.serial] = message.destination
      return true
    case 2, 3:
      if incoming.remove(key(message.destination, message.replySerial)) == nil { return false }
      if !overLimit { return true }
      toBus.append(Answer(replySerial: message.replySerial!, error: "LimitsExceeded", destination: message.destination!))
      return false
    case 4: return !overLimit && message.member == "Sig"
    default: return false
    }
  }

  /// Whether a message of the bus's goes to the client.
  mutating func allowsIncoming(_ message: Draft, _ bytes: [UInt8]) -> Bool {
    let overLimit = isOverLimit(message, bytes)
    switch message.type {
    case 1:
      if message.destination != Rig.name { return false }
      if overLimit || message.member != "Do" {
        if message.flags & 1 == 0 {
          toBus.append(
            Answer(
              replySerial: message.serial, error: overLimit ? "LimitsExceeded" : "AccessDenied", destination: message.sender!))
        }
        return false
      }
      if message.flags & 1 == 0 { incoming.insert(key(message.sender, message.serial)) }
      return true
    case 2, 3:
      guard let called = outgoing[message.replySerial!], message.destination == Rig.name else { return false }
      let isFromDriver = message.sender == "org.freedesktop.DBus"
      if called.hasPrefix(":") && message.sender != called && !(isFromDriver && message.type == 3) { return false }
      if called == "org.freedesktop.DBus" && !isFromDriver { return false }
      outgoing[message.replySerial!] = nil
      if !overLimit { return true }
      toClient.append(Answer(replySerial: message.replySerial!, error: "LimitsExceeded", destination: Rig.name))
      return false
    case 4: return !overLimit && (message.destination ?? Rig.name) == Rig.name && message.member == "Sig"
    default: return false
    }
  }
}

/// What one peer says, as the kernel would deliver it.
private struct Wire {
  struct Sent {
    var message: Draft
    var bytes: [UInt8]
    /// Where in the stream its descriptors come.
    var place: Int
    var descriptors: [Int] = []
  }

  var sent: [Sent] = []
  var stream: [UInt8] = []
  var delivered = 0
  var decided = 0
  /// Bytes and descriptors of the allowed messages.
  var allowed: [UInt8] = []
  var descriptors: [Int] = []
  /// How much of `allowed` was seen to arrive.
  var compared = 0

  mutating func send(_ message: Draft, lateBy: Int) {
    let bytes = message.bytes
    sent.append(Sent(message: message, bytes: bytes, place: stream.count + min(lateBy, bytes.count - 1)))
    stream += bytes
  }

  /// What one read gives: never more than up to the next descriptors but one.
  mutating func read(upTo count: Int, descriptorsGiven: Int) -> (bytes: [UInt8], descriptors: Int) {
    var end = min(stream.count, delivered + count), given = 0
    let places = sent.indices.filter { sent[$0].message.unixFDs ?? 0 > 0 && sent[$0].place >= delivered && sent[$0].place < end }
    if let first = places.first {
      if places.count > 1 { end = sent[places[1]].place }
      given = Int(sent[first].message.unixFDs!)
      sent[first].descriptors = Array(descriptorsGiven + 1..<descriptorsGiven + 1 + given)
    }
    defer { delivered = end }
    return (Array(stream[delivered..<end]), given)
  }
}

private final class Simulation {
  struct Failure: Error, CustomStringConvertible {
    var description: String
    init(_ text: String) { description = text }
  }

  private var random: Random
  private let rig: Rig
  private var model: Model
  private var client = Wire()
  private var bus = Wire()
  private let ownMax: Int
  private let peers = [":1.5", ":1.6", ":1.7", "org.foo", "org.freedesktop.DBus"]

  init(seed: UInt64) throws {
    var random = Random(seed: seed)
    let ownMax = random.pick([4096, 8192, 65_536])
    let messageMax = random.pick([600, 4096])
    let pendingMax = random.pick([3, 20, 1000])
    let seed = SeededHash(a: random.next(), b: random.next())
    rig = try Rig.open([rule(.outgoing, "*", ["Do", "Sig"]), rule(.incoming, "*", ["Do", "Sig"])]) {
      $0.limits.ownOutputBytesMax = ownMax
      $0.limits.messageBytesMax = messageMax
      $0.limits.pendingRepliesMax = pendingMax
      $0.logging = .everything
      $0.seed = seed
    }
    self.ownMax = ownMax
    self.random = random
    model = Model(messageBytesMax: messageMax, pendingMax: pendingMax)
  }

  func run() throws {
    for _ in 0..<random.below(120) + 20 {
      switch random.below(10) {
      case 0, 1: for _ in 0..<burst() { client.send(outgoingMessage(), lateBy: lateness()) }
      case 2, 3: for _ in 0..<burst() { bus.send(incomingMessage(), lateBy: lateness()) }
      case 4: random.chance(40) ? rig.stall(random.chance(50) ? .client : .bus) : rig.unstall(random.chance(50) ? .client : .bus)
      case 5: rig.advance(random.below(100))
      case 6, 7: deliver(.client)
      default: deliver(.bus)
      }
      try check()
    }
    try finish()
  }

  // MARK: What is said

  /// Mostly one message, sometimes more than an output or the own output takes at a time.
  private func burst() -> Int { random.below(80) > 0 ? 1 : 50 }

  private func lateness() -> Int { random.chance(80) ? 0 : Int(random.below(300)) }

  private func finished(_ message: Draft) -> Draft {
    var message = message
    if random.chance(30) { message.order = .big }
    if random.chance(15) { message.unixFDs = random.chance(80) ? UInt32(random.below(4)) : 17 }
    if random.chance(25) {
      message = message.padded(to: message.bytes.count + 16 + Int(random.below(random.chance(80) ? 300 : 6000)))
    }
    return message
  }

  private func serial() -> UInt32 { UInt32(random.below(30)) + 2 }

  private func outgoingMessage() -> Draft {
    var message: Draft
    switch random.below(10) {
    case 0...3: message = .call(serial(), to: random.pick(peers), random.chance(60) ? "Do" : "Undo")
    case 4: message = .driver(serial(), "ListNames")
    case 5: message = .signal(serial(), to: random.chance(30) ? ":1.5" : nil, random.pick(["Sig", "Other"]))
    case 6...8:
      message =
        random.chance(70) ? .answer(serial(), to: serial(), of: random.pick(peers)) : .error(serial(), to: serial(), of: ":1.5")
      if random.chance(75), let call = model.incoming.sorted().first {
        let parts = call.split(separator: " ")
        (message.destination, message.replySerial) = (String(parts[0]), UInt32(parts[1]))
      }
    default: message = Draft(type: UInt8(random.below(250)) + 5, serial: serial())
    }
    if message.member == "Do" && message.destination == "org.freedesktop.DBus" { message.destination = "org.foo.Other" }
    if message.type == 1 && random.chance(25) { message.flags = Draft.noReply }
    return finished(message)
  }

  private func incomingMessage() -> Draft {
    var message: Draft
    let to = random.chance(85) ? Rig.name : ":1.9"
    switch random.below(10) {
    case 0...3: message = .call(serial(), to: to, random.chance(60) ? "Do" : "Undo", from: random.pick([":1.5", ":1.6"]))
    case 4, 5: message = .signal(serial(), to: random.chance(50) ? nil : to, random.pick(["Sig", "Other"]), from: ":1.5")
    case 6...8:
      let from = random.pick(peers)
      message =
        random.chance(60)
        ? .answer(serial(), to: serial(), of: to, from: from) : .error(serial(), to: serial(), of: to, from: from)
      if random.chance(75), let call = model.outgoing.sorted(by: { $0.key < $1.key }).first {
        message.replySerial = call.key
        if random.chance(80) { message.sender = call.value }
      }
    default: message = Draft(type: UInt8(random.below(250)) + 5, serial: serial(), sender: ":1.5")
    }
    if message.type == 1 && random.chance(25) { message.flags = Draft.noReply }
    return finished(message)
  }

  // MARK: What happens to it

  /// One read, if the server would read.
  private func deliver(_ side: Side) {
    if !rig.wantsBytes(side) { return }
    let count = Int(random.below(random.pick([3, 40, 400, 8000])) + 1)
    let read =
      side == .client
      ? client.read(upTo: count, descriptorsGiven: rig.descriptorsGiven)
      : bus.read(upTo: count, descriptorsGiven: rig.descriptorsGiven)
    if !read.bytes.isEmpty { rig.feed(read.bytes, descriptors: read.descriptors, from: side) }
  }

  private func check() throws {
    if let reason = rig.close { throw Failure("closed: \(reason)") }
    for (side, verdict) in rig.decisions { try follow(side, verdict) }
    rig.forgetDecisions()
    try compare(&client, rig.bus.forwarded, "bus")
    try compare(&bus, rig.client.forwarded, "client")
    let placed = rig.bus.descriptors.count + rig.client.descriptors.count + rig.closed.count
    let held = rig.held(.client).count + rig.held(.bus).count
    if placed + held != rig.descriptorsGiven {
      throw Failure("\(rig.descriptorsGiven) descriptors in, \(placed) out or closed, \(held) held")
    }
    for side in [Side.client, .bus] {
      if rig.own(to: side) > ownMax { throw Failure("own output of \(rig.own(to: side)) bytes to the \(side)") }
      if rig.unconsumed(side) > 20_000 { throw Failure("\(rig.unconsumed(side)) bytes from the \(side) kept") }
    }
    if rig.session.outgoingCalls.count != model.outgoing.count {
      throw Failure("\(rig.session.outgoingCalls.count) outgoing calls pending")
    }
    if rig.session.incomingCalls.count != model.incoming.count {
      throw Failure("\(rig.session.incomingCalls.count) incoming calls pending")
    }
  }

  /// The session decided on the next message from `side`: so does the model.
  private func follow(_ side: Side, _ verdict: Verdict) throws {
    var wire = side == .client ? client : bus
    let item = wire.sent[wire.decided]
    wire.decided += 1
    let isAllowed =
      side == .client ? model.allowsOutgoing(item.message, item.bytes) : model.allowsIncoming(item.message, item.bytes)
    if isAllowed != (verdict.action == .allow) { throw Failure("\(verdict) for \(item.message) from the \(side)") }
    if isAllowed {
      wire.allowed += item.bytes
      wire.descriptors += item.descriptors
    }
    if side == .client { client = wire } else { bus = wire }
  }

  /// What arrived is the beginning of what was allowed.
  private func compare(_ wire: inout Wire, _ arrived: [UInt8], _ name: String) throws {
    if arrived.count > wire.allowed.count || arrived[wire.compared...] != wire.allowed[wire.compared..<arrived.count] {
      throw Failure("other bytes than the allowed ones reached the \(name)")
    }
    wire.compared = arrived.count
  }

  /// Everything is delivered, and everybody takes what is there.
  private func finish() throws {
    for _ in 0..<10_000 where client.delivered < client.stream.count || bus.delivered < bus.stream.count {
      rig.unstall(.client)
      rig.unstall(.bus)
      deliver(.client)
      deliver(.bus)
      try check()
    }
    rig.unstall(.client)
    rig.unstall(.bus)
    try check()
    try finish(client, rig.bus, model.toBus, "bus")
    try finish(bus, rig.client, model.toClient, "client")
    for side in [Side.client, .bus] where rig.unconsumed(side) > 0 || !rig.held(side).isEmpty || rig.own(to: side) > 0 {
      throw Failure("something from or to the \(side) is left: \(rig.wait(side))")
    }
  }

  private func finish(_ wire: Wire, _ peer: Rig.Peer, _ answers: [Model.Answer], _ name: String) throws {
    if wire.decided != wire.sent.count {
      throw Failure("\(wire.sent.count - wire.decided) messages to the \(name) were not decided on")
    }
    if peer.forwarded != wire.allowed { throw Failure("not all that was allowed reached the \(name)") }
    if peer.descriptors.map(\.id) != wire.descriptors {
      throw Failure("descriptors to the \(name): \(peer.descriptors.map(\.id))")
    }
    let (messages, rest) = try Arrived.all(in: peer.stream)
    if !rest.isEmpty { throw Failure("half a message reached the \(name)") }
    var starts: Set<Int> = [], place = 0
    for message in messages {
      starts.insert(place)
      place += message.bytes.count
    }
    if !peer.descriptors.allSatisfy({ starts.contains($0.place) }) {
      throw Failure("descriptors within a message to the \(name)")
    }
    let own = messages.filter { $0.text.hasPrefix("busgate: ") }.map {
      Model.Answer(
        replySerial: $0.replySerial, error: String($0.errorName.split(separator: ".").last!), destination: $0.destination)
    }
    if own != answers { throw Failure("the gate told the \(name) \(own), expected \(answers)") }
  }
}

@Suite("the world from a seed")
struct SimulationTests {
  /// More of them: BUSGATE_SEEDS=100000.
  static let seedCount = getenv("BUSGATE_SEEDS").flatMap { UInt64(String(cString: $0)) } ?? 2_000

  @Test("whatever is said, cut, stalled: the contract holds", arguments: 0..<8 as Range<UInt64>)
  func run(part: UInt64) {
    for seed in stride(from: part, to: Self.seedCount, by: 8) {
      do {
        try Simulation(seed: seed).run()
      } catch {
        Issue.record("seed \(seed): \(error)")
        return
      }
    }
  }
}
