// A message's direction on a command line.

import ArgumentParser
import GatePolicy

extension Direction: ExpressibleByArgument {
  /// The direction that a word of a configuration names.
  public init?(argument: String) {
    switch argument {
    case "outgoing": self = .outgoing
    case "incoming": self = .incoming
    default: return nil
    }
  }

  /// For the help.
  public static var allValueStrings: [String] { ["outgoing", "incoming"] }

  /// For the shells.
  public static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}
