// What a message of a log means for a configuration that is to be learned.

import GatePolicy
import GateSession

extension TalliedMessage {
  /// What becomes of a message.
  enum Use {
    /// It passes without a rule.
    case needless
    /// It is to be allowed.
    case wanted
    /// It stays closed.
    case leftOut
  }

  /// Reasons for which a message is denied that a rule could have allowed.
  private static let wants: Set<String> = ["no-rule", "service-unknown", "driver-closed", "hidden", "hidden-owner"]
  /// Reasons for which the gate keeps to itself what belongs to calls of its own.
  private static let housekeeping: Set<String> = ["own-hello", "own-call", "unsubscribed"]

  /// What becomes of this one.
  func use(_ options: LearnOptions) -> Use {
    if verdict == .drop { return Self.housekeeping.contains(reason) ? .needless : .leftOut }
    switch kind {
    case .methodReturn, .error: return verdict == .deny ? .leftOut : .needless
    case .methodCall, .signal: break
    }
    switch verdict {
    case .allow: return reason == "rule" ? .wanted : .needless
    case .audit:
      if reason == "rule" { return options.learnsDenied ? .wanted : .leftOut }
      return Self.wants.contains(reason) ? .wanted : .leftOut
    case .deny: return options.learnsDenied && (reason == "rule" || Self.wants.contains(reason)) ? .wanted : .leftOut
    case .drop: preconditionFailure("what was dropped has been dealt with")
    }
  }

  /// The message as rules see it, and its bus.
  func wanted(_ options: LearnOptions) throws(LearningProblem) -> (GatewayBus, ExampleMessage) {
    guard let bus = options.bus(of: gate) else { throw .gate(gate) }
    var example = example
    if example.isForDriver && example.interface == nil {
      guard let method = DriverMessages.method(example) else {
        throw .namelessDriverCall(member: String(decoding: member, as: UTF8.self))
      }
      example.interface = Array("\(method.interface)".utf8)
    }
    func check(_ value: [UInt8]?, _ sort: NameSort, _ name: String) throws(LearningProblem) {
      guard let value, !sort.isLegal(value) else { return }
      throw .notLegal(what: name, value: String(decoding: value, as: UTF8.self))
    }
    try check(example.path, .path, "path")
    try check(example.interface, .interface, "interface")
    try check(example.member, .member, "member")
    if example.isSignal && example.interface == nil { throw .notLegal(what: "interface", value: "") }
    if example.opensEveryService {
      throw .nameless(interface: example.interface.map { String(decoding: $0, as: UTF8.self) } ?? "")
    }
    return (bus, example)
  }
}
