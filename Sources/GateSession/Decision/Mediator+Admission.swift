// Whether a message of the client's can be decided on now: what no client may write, whose serial is taken, what Hello or the bus's answers
// have to come before. The gate may have to say something first; that is the only thing that changes here.

import DBusWire
import GatePolicy

extension Mediator {
  /// What keeps a message of the client's from being judged; nil: nothing does.
  @inline(__always)
  mutating func admit(_ message: MessageView, _ output: inout Output) -> Progress? {
    if settings.isUnfiltered { return nil }
    if settings.tellsOwners, !noteMention(message) { return .needsBody }
    if !message.header.containerInstance.isAbsent { return .deny(.containerInstance) }
    if message.serial >= OwnSerials.first, !mayUseSerial(message) { return .wait(.serial) }
    guard message.type == .methodCall || message.type == .signal else { return nil }
    if ownership.hasObserver, ownership.isObserver(message.destination) { return .deny(.noRule) }
    if replies.ownCallCount > 0, isTakenByOwnCall(message) { return .wait(.serial) }
    if settings.saysHello, registration.phase != .answered, !mayGoBeforeHello(message, &output) { return .wait(.serial) }
    if !ownership.isKnown, mustWaitForNames(message) { return .wait(.serial) }
    return nil
  }

  /// Whether the serial of a call of the client's is for now that of a call of the gate's own. (To a monitor the bus answers nothing more.)
  @inline(never)
  private func isTakenByOwnCall(_ message: MessageView) -> Bool {
    !registration.isMonitor && message.wantsReply && replies.isTakenByOwnCall(message.serial)
  }

  /// Whether a message of which no account is kept may have its serial: see ``OwnSerials``.
  @inline(never)
  private mutating func mayUseSerial(_ message: MessageView) -> Bool {
    if registration.isMonitor || message.wantsReply { return true }
    let isTaken = replies.isTakenByOwnCall(message.serial)
    if !isTaken && replies.mayClientUse(message.serial) { return true }
    if !isTaken && replies.lacksFence && registration.isNamed { askForClient() }
    return false
  }

  /// Until it is known who owns what, nothing can be judged but Hello. (Before Hello a bus serves nobody, so that nothing waits.) For a
  /// monitor it will never be known: what it says is judged by the names it uses, and ends its connection to the bus anyway.
  @inline(never)
  private func mustWaitForNames(_ message: MessageView) -> Bool {
    if registration.phase == .unsaid || registration.isMonitor { return false }
    return !isHello(message)
  }

  // MARK: The gate's own Hello (personality dbus-proxy)

  /// Sees to it that the bus has been told Hello before anything else. False: the message has to wait.
  private mutating func mayGoBeforeHello(_ message: MessageView, _ output: inout Output) -> Bool {
    switch registration.phase {
    case .unsaid:
      if isHello(message) && !message.header.destination.isAbsent { return true }
      sayHello(avoiding: message.serial, &output)
    case .askedByGate:
      break
    case .asked, .answered:
      return true
    }
    // The repeated answer needs the unique name, and no call may share the Hello's serial.
    return !isHello(message) && message.serial != registration.ownHelloSerial
  }

  /// Whether a message is the driver's Hello, as it is judged: also without destination, or interface.
  func isHello(_ message: MessageView) -> Bool {
    message.type == .methodCall
      && (message.header.destination.isAbsent || message.destination.isEqual(to: Driver.name))
      && message.member.isEqual(to: "Hello")
      && (message.header.interface.isAbsent || message.interface.isEqual(to: Driver.name))
  }

  /// The gate says Hello for the client.
  mutating func sayHello(avoiding serial: UInt32, _ output: inout Output) {
    let own = registration.askForClient(avoiding: serial)
    replies.noteOwnHello(own)
    LocalReply.appendHello(serial: own, to: &local.toBus)
    output.sendLocal(local.toBus.commit())
  }

  /// Why a first message is none that a connection to the bus is opened for; nil if it is one.
  func refusalBeforeHello(_ message: MessageView, isHello: Bool) -> Verdict? {
    if !message.header.containerInstance.isAbsent && !settings.isUnfiltered { return Verdict(.deny, .containerInstance) }
    switch message.type {
    case .methodCall, .signal: break
    case .methodReturn, .error: return Verdict(.drop, .strayReply)
    default: return Verdict(.drop, .unknownType)  // not an enum
    }
    if isHello {
      // So that all of it is here with its header, and the bus has no reason to leave it without an answer.
      let isWellFormed =
        message.header.frame.bodyByteCount == 0 && message.header.signature.isAbsent && message.descriptorCount == 0
      return isWellFormed ? nil : Verdict(.deny, .driverArguments)
    }
    return settings.saysHello ? nil : Verdict(.deny, .beforeHello)
  }

  // MARK: The log

  /// Notes which names the client uses, or asks about: of several names of one peer it is these that it knows. False: the body is needed.
  ///
  /// Only where ``SessionSettings/tellsOwners`` is set.
  @inline(never)
  private func noteMention(_ message: MessageView) -> Bool {
    guard ownership.isFollowing, message.type == .methodCall else { return true }
    let destination = message.destination
    if destination.byteCount > 0 && !destination.isEqual(to: Driver.name) {
      if !destination.starts(with: UInt8(ascii: ":")) { ownership.mention(settings.seed.hash(destination)) }
      return true
    }
    guard let signature = Self.signatureOfQuestion(message.member), isShortEnough(message) else { return true }
    if !message.isComplete { return false }
    do throws(WireError) {
      ownership.mention(settings.seed.hash(message.bytes.bytes(in: try message.leadingString(expected: signature))))
    } catch {
      return true  // whoever decides on it says what is wrong
    }
    return true
  }

  /// The signature of a method of the driver by which clients look for a service; nil of any other.
  private static func signatureOfQuestion(_ member: RawSpan) -> StaticString? {
    if member.isEqual(to: "GetNameOwner") || member.isEqual(to: "NameHasOwner") { return "s" }
    return member.isEqual(to: "StartServiceByName") ? "su" : nil
  }

  /// Whether a message may be looked into.
  @inline(__always)
  func isShortEnough(_ message: MessageView) -> Bool {
    message.header.frame.messageByteCount <= settings.limits.inspectBytesMax
  }
}
