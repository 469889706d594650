// What the rule misses that came nearest to allowing a message. Found by Policy.

/// The rule that came nearest to allowing a message.
///
/// Source: ours.
public struct NearestMiss: Sendable, Equatable {
  /// What a rule wants and the message does not have, by the rule's key.
  public enum Part: String, Sendable, CaseIterable {
    case direction
    case type
    case interface
    case objectPath = "object-path"
    case method
    case name
    case maxFDs = "max-fds"
    /// Nothing of these, but only a rule that names interface and method without a wildcard would do.
    case literal

    /// How far a rule that misses this is from matching. In a rule that was meant, a wrong path or method is the likeliest mistake.
    var distance: Int {
      switch self {
      case .maxFDs: 1
      case .literal: 2
      case .objectPath, .method, .name: 3
      case .type, .direction: 4
      case .interface: 7
      }
    }
  }

  /// Index in `Policy.rules`.
  public let rule: Int
  /// What it misses, never empty.
  public let parts: [Part]

  var distance: Int { parts.reduce(0) { $0 + $1.distance } }
}
