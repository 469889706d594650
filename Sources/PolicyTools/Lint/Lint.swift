// The lints, by name: what `check` looks for beyond what the parser refuses. Each has a file, and a test with a near miss beside it.

/// A sort of mistake that documents have.
public enum Lint: String, CaseIterable, Sendable {
  /// No legal name or path is matched.
  case neverMatches = "never-matches"
  /// The same rule stands twice.
  case duplicate
  /// Another rule decides about everything that this one speaks about.
  case shadowed
  /// Every method of every interface is allowed.
  case everything
  /// Any name may be taken on the bus.
  case openRequestName = "open-request-name"
  /// Any service may be started.
  case openStart = "open-start"
  /// Names of nearly everybody.
  case openNames = "open-names"
  /// A method by which containers are left.
  case wayOut = "way-out"
  /// An interface that every service has, and no name of a service.
  case sharedInterface = "shared-interface"
  /// A signal that goes the other way.
  case wrongDirection = "wrong-direction"
  /// A word that is nearly one that everybody knows.
  case typo
  /// A deny rule that stops nothing which would pass without it.
  case idleDeny = "idle-deny"
  /// A wildcard that looks as if it opened what only a rule that names it literally opens.
  case closedDriver = "closed-driver"
  /// Nothing is open on the bus that the document is for.
  case closedBus = "closed-bus"

  /// What it looks for, in a sentence.
  public var meaning: String {
    switch self {
    case .neverMatches: "a rule, or a pattern, that no message meets"
    case .duplicate: "a rule that stands twice"
    case .shadowed: "a rule that changes nothing, because another one decides about all that it speaks about"
    case .everything: "a rule that allows every method of every interface"
    case .openRequestName: "a rule that lets the container take any name on the bus"
    case .openStart: "a rule that lets the container start any service"
    case .openNames: "a pattern for the names of nearly everybody: *, org.freedesktop.*"
    case .wayOut: "a method that runs, or loads, what the container says, outside"
    case .sharedInterface: "an interface that every service has, allowed without saying which service is meant"
    case .wrongDirection: "a signal rule whose direction is the wrong one"
    case .typo: "a word that differs by a letter or two from one that everybody knows"
    case .idleDeny: "a deny rule that stops nothing which would pass without it"
    case .closedDriver: "a wildcard over methods of the bus that only a rule naming them literally opens"
    case .closedBus: "documents that open nothing on the bus that --bus says they are for"
    }
  }
}
