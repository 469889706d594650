// The gate's own connection to a bus on which it is told who owns which name: a machine without input and output, as Session is. It
// authenticates, says Hello, asks for match rules and owners as NameWatch has it, and writes what it hears into the OwnerDirectory.
//
// No client speaks on it and none can hold it up. Peers on the bus can send to it: that is passed over.

import DBusWire
import GatePolicy

/// The protocol of the observer's connection.
///
/// Spec: "message-bus-messages".
public struct OwnerObserver: ~Copyable {
  /// What came of a piece of the stream.
  public struct Progress: Sendable {
    /// How many bytes were dealt with; the rest is to be offered again with more behind it.
    public var consumed = 0
    /// Whether somebody owns, or owned, other names than was known: what was decided by owners is to be decided anew.
    public var isNews = false
    /// Whether all that was asked has been answered just now.
    public var isSettled = false
    /// Whether a peer has talked to the observer: the bus may have more of that, and behind it what matters.
    public var isTalkedTo = false
    /// Whether all has been heard that the bus had said before it read the last ``OwnerObserver/askForEnd()``.
    public var isAtEnd = false
    /// Whether the observer has just got its name: what was decided about messages to that is to be decided anew.
    public var isNamed = false
    /// What the bus has said of itself, when it has just done so.
    public var bus: BusIdentity?
    /// Why the connection is of no use any more.
    public var failure: Failure?
  }

  /// Why the observer gives up a connection.
  public enum Failure: Sendable, Equatable {
    /// Authentication failed.
    case handshake(HandshakeFailure)
    /// What the bus says is no D-Bus.
    case malformed(WireError)
    /// The bus refused this method of the driver.
    case refused(String)
  }

  private enum Phase { case handshake(ClientHandshake), hello, following }
  /// What a call under way was for.
  private enum Call { case hello, addMatch, listNames, getNameOwner(UInt64), end }

  /// Most bytes of a header of the driver's: others' are passed over unread. Its names and paths have 255 bytes at most.
  private static let headerBytesMax = 4096
  /// Most bytes of an answer: some 80,000 names of the longest kind that people use. Untuned.
  public static let messageBytesMax = 4_194_304

  private let directory: OwnerDirectory
  private var phase: Phase
  private var calls: [UInt32: Call] = [:]
  private var nextSerial: UInt32 = 1
  /// What is left of a message that is passed over.
  private var skipped = 0
  private var header = MessageHeader()
  /// What waits to be sent.
  public var output = LocalOutput(limit: 262_144)

  /// An observer on a fresh connection; what it has to say stands in ``output``. Nil where the transport carries no credentials, and being
  /// anonymous is not allowed.
  ///
  /// - Parameters:
  ///   - directory: Where it writes what it hears.
  ///   - ownUID: The user that the gate is on the bus; nil leaves it to the transport to say.
  ///   - transport: What the connection can carry.
  ///   - allowsAnonymous: Whether the gate may be nobody there, where the transport carries no credentials.
  public init?(_ directory: OwnerDirectory, ownUID: UInt32?, over transport: Transport, allowsAnonymous: Bool = false) {
    guard
      var handshake = ClientHandshake(
        over: transport, uid: ownUID, allowsAnonymous: allowsAnonymous, negotiateUnixFDs: false)
    else { return nil }
    self.directory = directory
    var opening = HandshakeOutput()
    handshake.start(into: &opening)
    phase = .handshake(handshake)
    opening.withBytes { output.append($0) }
    LocalReply.appendHello(serial: takeSerial(for: .hello), to: &output)
  }

  /// These policies ask from now on.
  public mutating func follow(_ policies: [Policy]) {
    switch phase {
    case .handshake, .hello: directory.follow(policies, isConnected: false)
    case .following:
      directory.follow(policies, isConnected: true)
      _ = callOn()
    }
  }

  /// Whether there is only part of a message: the bus had no room for the rest.
  public var isWithinMessage: Bool { skipped > 0 }

  /// Asks the bus for something that it answers behind all that it has to say now. A socket that was emptied tells nothing of what the
  /// bus still has for it, and with peers that talk to the observer that may be much.
  ///
  /// - Returns: Whether it was asked: not before owners are asked for.
  public mutating func askForEnd() -> Bool {
    guard case .following = phase else { return false }
    LocalReply.appendDriverCall("GetId", RawSpan(), flags: .noAutoStart, serial: takeSerial(for: .end), to: &output)
    return true
  }

  /// Deals with bytes from the bus.
  public mutating func receive(_ bytes: RawSpan) -> Progress {
    var progress = Progress()
    if case .handshake(var handshake) = phase {
      let (consumed, step) = handshake.receive(bytes)
      progress.consumed = consumed
      phase = .handshake(handshake)
      switch step {
      case .needsBytes: return progress
      case .close(let failure):
        progress.failure = .handshake(failure)
        return progress
      case .done(let identity):
        progress.bus = identity
        directory.startAnew(at: identity)
        phase = .hello
      }
    }
    while progress.failure == nil, take(bytes.extracting(progress.consumed..<bytes.byteCount), &progress) {}
    return progress
  }

  /// Deals with the message at the front of `rest`, or with what is left of one. False: there is no more to do before more has come.
  private mutating func take(_ rest: RawSpan, _ progress: inout Progress) -> Bool {
    if skipped > 0 {
      let count = min(skipped, rest.byteCount)
      skipped -= count
      progress.consumed += count
      return count > 0
    }
    if rest.byteCount < MessageFrame.byteCount { return false }
    do throws(WireError) {
      let frame = try MessageFrame(rest)
      if frame.headerByteCount > Self.headerBytesMax {
        progress.isTalkedTo = true
        skipped = frame.messageByteCount
        return true
      }
      if rest.byteCount < frame.headerByteCount { return false }
      let isExpected = isForObserver(rest, frame)
      if !isExpected || frame.messageByteCount > Self.messageBytesMax {
        if isExpected, let call = calls[header.replySerial] { progress.failure = .refused(Self.name(of: call)) }
        if !isExpected && !isDriver(rest) { progress.isTalkedTo = true }
        skipped = frame.messageByteCount
        return true
      }
      if rest.byteCount < frame.messageByteCount { return false }
      progress.consumed += frame.messageByteCount
      try take(message: rest.extracting(0..<frame.messageByteCount), &progress)
    } catch {
      progress.failure = .malformed(error)
    }
    return true
  }

  /// Whether the driver sent the message whose header was read last.
  private func isDriver(_ message: RawSpan) -> Bool { message.bytes(in: header.sender).isEqual(to: Driver.name) }

  /// Whether it is the driver that speaks, of what the observer asked for. What has a header that we do not read, and a bus does, comes
  /// from a peer: it must not end the connection.
  private mutating func isForObserver(_ message: RawSpan, _ frame: MessageFrame) -> Bool {
    do throws(WireError) {
      try header.read(message, frame: frame)
    } catch {
      header = MessageHeader()
      return false
    }
    let isDriver = isDriver(message)
    switch header.frame.type {
    case .methodReturn, .error: return (isDriver || header.sender.isAbsent) && calls[header.replySerial] != nil
    case .signal:
      return isDriver && message.bytes(in: header.interface).isEqual(to: Driver.name)
        && message.bytes(in: header.member).isEqual(to: "NameOwnerChanged")
    default: return false
    }
  }

  private mutating func take(message: RawSpan, _ progress: inout Progress) throws(WireError) {
    let body = message.extracting(header.frame.headerByteCount..<message.byteCount)
    let signature = message.bytes(in: header.signature)
    if header.frame.type == .signal {
      let (name, _, owner) = try MessageArguments.threeStrings(in: body, byteOrder: header.frame.byteOrder, signature: signature)
      if directory.takeChange(of: body.bytes(in: name), newOwner: body.bytes(in: owner)) { progress.isNews = true }
      return
    }
    guard let call = calls.removeValue(forKey: header.replySerial) else { return }
    let succeeded = header.frame.type == .methodReturn
    switch call {
    case .end:
      progress.isAtEnd = true
      return
    case .hello:
      if !succeeded {
        progress.failure = .refused("Hello")
        return
      }
      phase = .following
      directory.nameObserver(message.bytes(in: header.destination))
      progress.isNamed = true
    case .addMatch:
      directory.watch.noteReply()
      if !succeeded {
        progress.failure = .refused("AddMatch")
        return
      }
    case .listNames:
      directory.watch.noteReply()
      if !succeeded {
        progress.failure = .refused("ListNames")
        return
      }
      try MessageArguments.checkStrings(in: body, byteOrder: header.frame.byteOrder, signature: signature)
      directory.takeNames(body, header.frame.byteOrder)
    case .getNameOwner(let hash):
      directory.watch.noteReply()
      if succeeded {  // an error says that nobody does
        let owner = try MessageArguments.leadingString(
          in: body, byteOrder: header.frame.byteOrder, signature: signature, expected: "s")
        directory.takeOwner(body.bytes(in: owner), ofName: hash)
        progress.isNews = true
      }
    }
    if callOn() { (progress.isNews, progress.isSettled) = (true, true) }
  }

  // MARK: Own calls

  /// Makes as many calls as may be under way. Returns whether all are answered, for the first time since it was asked something.
  private mutating func callOn() -> Bool {
    guard case .following = phase else { return false }
    while let call = directory.watch.takeCall() {
      switch call {
      case .addMatch(_, let rule): say("AddMatch", unsafe rule.span.bytes, .addMatch)
      case .listNames: say("ListNames", RawSpan(), .listNames)
      case .getNameOwner(let hash, let patterns, let name):
        directory.watch.noteAsked(hash, NameWatch.Asked(patterns: patterns, name: name))
        say("GetNameOwner", unsafe name.span.bytes, .getNameOwner(hash))
      case .removeMatch(_, let rule, _):
        LocalReply.appendDriverCall(
          "RemoveMatch", unsafe rule.span.bytes, flags: .noReplyExpected, serial: takeSerial(for: nil), to: &output)
      }
    }
    if !directory.watch.isIdle || directory.watch.isReady { return false }
    directory.settle()
    return true
  }

  private mutating func say(_ member: StaticString, _ argument: RawSpan, _ call: Call) {
    directory.watch.noteCall()
    // Whoever asks who owns a name does not want it started.
    LocalReply.appendDriverCall(member, argument, flags: .noAutoStart, serial: takeSerial(for: call), to: &output)
  }

  private mutating func takeSerial(for call: Call?) -> UInt32 {
    let serial = nextSerial
    nextSerial = nextSerial == .max ? 1 : nextSerial + 1
    if let call { calls[serial] = call }
    return serial
  }

  private static func name(of call: Call) -> String {
    switch call {
    case .hello: "Hello"
    case .addMatch: "AddMatch"
    case .listNames: "ListNames"
    case .getNameOwner: "GetNameOwner"
    case .end: "GetId"
    }
  }
}
