// What becomes of the driver's answers, to the client's calls and to the gate's own.

import DBusWire
import GatePolicy

extension Mediator {
  /// Decides on the driver's answer to `call`.
  @inline(never)
  func judgeDriverReply(_ call: PendingCall, _ message: MessageView, _ policy: Policy) -> Progress {
    let succeeded = message.type == .methodReturn
    switch call.purpose {
    case .call:
      preconditionFailure("judged with the answers of peers")
    case .hello:
      return .decided(Verdict(.allow, .reply), .driverReply(.hello(name: helloName(message), isOwn: false)))
    case .ownHello:
      return .drop(.ownHello, .driverReply(.hello(name: helloName(message), isOwn: true)))
    case .addMatch:
      return .decided(Verdict(.allow, .reply), .driverReply(.addMatch(number: call.detail, succeeded: succeeded)))
    case .requestName:
      if succeeded {
        if !isShortEnough(message) { return .drop(.inspectTooLong) }
        if !message.isComplete { return .needsBody }
      }
      let isHeld = succeeded ? holdsName(afterReply: message) : nil
      return .decided(Verdict(.allow, .reply), .driverReply(.requestName(number: call.detail, isHeld: isHeld)))
    case .becomeMonitor:
      // What would come from now on is not the client's.
      if succeeded && !mayMonitor(policy) { return .close(.monitorRevoked) }
      return .decided(Verdict(.allow, .reply), .driverReply(.becomeMonitor(succeeded: succeeded)))
    case .listNames:
      return judgeList(message, policy)
    case .question:
      return judgeQuestionReply(call, policy)
    case .ownAddMatch, .ownListNames, .ownGetNameOwner:
      let isTooLong = !isShortEnough(message)
      if !isTooLong && !message.isComplete { return .needsBody }
      return .drop(.ownCall, .driverReply(.ownNames(call.purpose, detail: call.detail, isTooLong: isTooLong)))
    case .ownNameHasOwner:
      let isTooLong = !isShortEnough(message)
      if !isTooLong && !message.isComplete { return .needsBody }
      return .drop(.ownCall, .driverReply(.caller(caller: call.detail, isGone: !isTooLong && saysFalse(message))))
    case .ownReleaseName:
      return judgeReleaseReply(call, message)
    }
  }

  private func helloName(_ message: MessageView) -> ByteRange {
    message.type == .methodReturn ? message.header.destination : ByteRange()
  }

  /// Whether RequestName's answer is anything but DBUS_REQUEST_NAME_REPLY_EXISTS (3): the client owns the name or waits for it.
  private func holdsName(afterReply message: MessageView) -> Bool {
    do throws(WireError) {
      return try message.uint32() != 3
    } catch {
      return true
    }
  }

  /// Whether an answer is a boolean, and false.
  private func saysFalse(_ message: MessageView) -> Bool {
    if message.type != .methodReturn || !message.signature.isEqual(to: "b") { return false }
    do throws(WireError) {
      return try message.uint32() == 0
    } catch {
      return false
    }
  }

  /// Decides on a list of names: the client gets those that it may see.
  private func judgeList(_ message: MessageView, _ policy: Policy) -> Progress {
    if message.type == .error || policy.names == nil || settings.mode == .audit {
      return .decided(Verdict(.allow, .reply), .driverReply(.listNames))
    }
    if !isShortEnough(message) { return .deny(.inspectTooLong) }
    if !message.isComplete { return .needsBody }
    if !local.toClient.hasRoom { return .wait(.localOutput(.client)) }
    do throws(WireError) {
      try MessageArguments.checkStrings(
        in: message.body, byteOrder: message.header.frame.byteOrder, signature: message.signature)
    } catch {
      return .drop(.strayReply, .driverReply(.listNames))  // an answer that the bus never gives
    }
    return .drop(.filtered, .driverReply(.filterNames))
  }

  /// Decides on the answer to a ReleaseName of the gate's own.
  private func judgeReleaseReply(_ call: PendingCall, _ message: MessageView) -> Progress {
    let isTooLong = !isShortEnough(message)
    if !isTooLong && !message.isComplete { return .needsBody }
    if !local.toClient.hasRoom { return .wait(.localOutput(.client)) }
    let outcome: NameRelease.Outcome =
      message.type == .error ? .failed : !isTooLong && wasReleased(message) ? .released : .notReleased
    return .drop(.ownCall, .driverReply(.releaseName(name: call.detail, outcome)))
  }

  /// Whether ReleaseName's answer is DBUS_RELEASE_NAME_REPLY_RELEASED (1).
  private func wasReleased(_ message: MessageView) -> Bool {
    do throws(WireError) {
      return try message.uint32() == 1
    } catch {
      return false
    }
  }
}
