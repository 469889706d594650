// Why a message of a log cannot be learned. Found by TalliedMessage.wanted.

/// What is the matter with a message.
enum LearningProblem: Error, Sendable, Equatable, CustomStringConvertible {
  /// A value was cut, or was none when it was logged.
  case notLegal(what: String, value: String)
  /// It is not known which rules the gate has.
  case gate(String)
  /// A call to the bus without INTERFACE, of a member that is not known.
  case namelessDriverCall(member: String)

  /// What is wrong, what was expected, what to do.
  var description: String {
    switch self {
    case .notLegal(let what, let value):
      "\"\(what)\" is \"\(value.prefix(80))\", expected a legal one: the log cuts values at 1024 bytes; write this rule by hand"
    case .gate(let label): "gate \"\(label)\" may be of either bus, expected --gate \(label)=session or --gate \(label)=system"
    case .namelessDriverCall(let member):
      "a call to the bus itself of \"\(member)\" without INTERFACE, expected a known member: no rule opens this"
    }
  }
}
