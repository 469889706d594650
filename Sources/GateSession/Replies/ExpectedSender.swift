// From whom an answer is taken.

/// Who may answer a call.
enum ExpectedSender: UInt8, BitwiseCopyable {
  /// Whoever owns the well-known name that was called.
  case anyone
  /// The unique name whose hash is `detail`.
  case uniqueName
  /// The driver only.
  case driver
}
