// What the driver is asked about a name. The name stands in the question alone, so it is kept until the answer comes, which is judged by the
// policy that is in force then.

import GatePolicy

/// A question about a name that the driver has not answered.
struct NameQuestion {
  /// What is asked.
  enum Kind: BitwiseCopyable {
    /// Whether somebody has the name: the answer is a boolean.
    case hasOwner
    /// What may be known of a name that is visible.
    case aboutVisible
    /// What may be known of a name that the client may own.
    case aboutOwnable

    /// How far the name has to be open.
    var level: NameLevel {
      switch self {
      case .hasOwner, .aboutVisible: .see
      case .aboutOwnable: .own
      }
    }
  }

  let serial: UInt32
  let name: [UInt8]
  let kind: Kind

  /// More questions than this are not remembered; what they ask about counts as hidden if the policy changes. Untuned.
  static let questionsMax = 256
}
