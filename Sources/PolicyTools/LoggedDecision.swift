// A decision as the sidecar's log tells it. Read from a line by LogLine; asked about by `explain`, generalised by `learn`.

import GatePolicy

/// A message that was decided on, as the log describes it.
public struct LoggedDecision: Sendable, Equatable {
  /// The types that rules speak about, and the two that they don't.
  public enum MessageKind: String, Sendable, CaseIterable {
    case methodCall = "method_call"
    case methodReturn = "method_return"
    case error
    case signal
  }

  /// What was decided: the raw value is what the log says.
  public enum Verdict: String, Sendable, CaseIterable {
    case allow, audit, deny, drop
  }

  /// The largest number that a line may have: sums over all that can be read do not overflow.
  static let numberMax = Int(UInt32.max)

  /// What was decided.
  public var verdict: Verdict
  /// Why, in the log's one word; empty if the line does not say.
  public var reason = ""
  /// The gate's label; empty if the line does not say.
  public var gate = ""
  /// The way of the message.
  public var direction: Direction
  /// Its type.
  public var kind: MessageKind
  /// SENDER; empty if absent, as in what follows.
  public var sender = ""
  /// DESTINATION.
  public var destination = ""
  /// The well-known name behind the unique one at the other end, where the log knew it.
  public var name = ""
  /// The name that a call to the bus itself was about, where the log says so.
  public var about = ""
  /// PATH.
  public var path = ""
  /// INTERFACE.
  public var interface = ""
  /// MEMBER.
  public var member = ""
  /// SIGNATURE.
  public var signature = ""
  /// Number of file descriptors.
  public var fds = 0
  /// For how many such messages the line stands.
  public var count = 1

  /// Whether it answers a call.
  public var isAnswer: Bool { kind == .methodReturn || kind == .error }

  /// A message of which nothing is known but this.
  public init(verdict: Verdict, direction: Direction, kind: MessageKind) {
    self.verdict = verdict
    self.direction = direction
    self.kind = kind
  }
}
