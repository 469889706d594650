// Why a message of a log cannot be learned. Found by TalliedMessage.wanted.

/// What is the matter with a message.
enum LearningProblem: Error, Sendable, Equatable, CustomStringConvertible {
  /// A value was cut, or was none when it was logged.
  case notLegal(what: String, value: String)
  /// It is not known which rules the gate has.
  case gate(String)
  /// A call to the bus without INTERFACE, of a member that is not known.
  case namelessDriverCall(member: String)
  /// An interface that every service has, of a peer that has no name in the log.
  case nameless(interface: String)
  /// A service was started, and nothing else says that it is to be called; the name is empty where the log does not say it.
  case start(name: String)

  /// What is wrong, what was expected, what to do.
  var description: String {
    switch self {
    case .notLegal(let what, let value):
      "\"\(what)\" is \"\(value.prefix(80))\", expected a legal one: the log cuts values at 1024 bytes; write this rule by hand"
    case .gate(let label): "gate \"\(label)\" may be of either bus, expected --gate \(label)=session or --gate \(label)=system"
    case .nameless(let interface):
      "\(interface.isEmpty ? "a method that every service has" : interface) of a peer without a well-known name: without \"name\" a rule would open "
        + "that of every service; expected name= in the log, as --mode audit writes it where there is one, or a rule by hand"
    case .start(let name):
      name.isEmpty
        ? "StartServiceByName of a name that the log does not tell, expected about=: a rule would start every service"
        : "StartServiceByName of \(name), which no call went to: a rule would start every service; expected a rule that lets a call "
          + "to it pass, or \"busgate\": {\"names\": {\"talk\": [\"\(name)\"]}}"
    case .namelessDriverCall(let member):
      "a call to the bus itself of \"\(member)\" without INTERFACE, expected a known member: no rule opens this"
    }
  }
}
