// From whom an answer came, beside ExpectedSender.

/// Who sent an answer.
struct ReplySender: BitwiseCopyable {
  /// The hash of its name.
  let hash: UInt64
  /// Whether it is the driver. dbus-daemon answers a call without DESTINATION with neither SENDER nor DESTINATION; what a peer sends always
  /// has its SENDER.
  let isDriver: Bool
  /// Whether the answer is an error.
  let isError: Bool

  /// Whether it may answer `call`.
  @inline(__always)
  func mayAnswer(_ call: PendingCall) -> Bool {
    switch call.expectedSender {
    case .anyone: true
    case .driver: isDriver
    // That nobody has the name, or that its owner left, only the driver can say.
    case .uniqueName: hash == call.detail || isError && isDriver
    }
  }
}
