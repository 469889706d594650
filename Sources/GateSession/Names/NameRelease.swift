// A name that the gate takes from the client, since a reload closed it.

/// A ReleaseName of the gate's own that has no answer yet.
struct NameRelease {
  /// What the bus answered.
  enum Outcome: BitwiseCopyable {
    /// The client does not have the name any more.
    case released
    /// The client did not have it.
    case notReleased
    /// The bus refused.
    case failed
  }

  let hash: UInt64
  let name: [UInt8]
  /// Whether the client was told since that it has lost it.
  var isTold = false
}
