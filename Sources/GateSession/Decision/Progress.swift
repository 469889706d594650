// How far a decision has come.

/// What came of looking at a message.
enum Progress: BitwiseCopyable {
  /// It is decided on, and what that changes is done.
  case decided(Decision)
  /// Its header is not all there, or not all descriptors that it claims: more bytes are needed.
  case needsBytes
  /// The decision hangs on its body: all of it has to be there, which is `inspect-bytes-max` at most.
  case needsBody
  /// It can be decided on later.
  case wait(Output.Wait)
  /// The connection must end.
  case close(Fault)

  /// Why a message ends its connection.
  enum Fault: BitwiseCopyable {
    /// Its descriptors do not match its UNIX_FDS.
    case descriptorMismatch(Side)
    /// It would make a monitor of a client that may no longer be one.
    case monitorRevoked

    /// The same, for whoever closes.
    var reason: CloseReason {
      switch self {
      case .descriptorMismatch(let side): .descriptorMismatch(side)
      case .monitorRevoked: .monitorRevoked
      }
    }
  }

  /// It is decided on.
  static func decided(_ verdict: Verdict, _ effect: Effect = .none) -> Progress { .decided(Decision(verdict, effect)) }
  /// It does not pass, and changes nothing.
  static func deny(_ reason: Verdict.Reason) -> Progress { .decided(.deny(reason)) }
  /// It does not pass, and its sender is not told.
  static func drop(_ reason: Verdict.Reason, _ effect: Effect = .none) -> Progress { .decided(.drop(reason, effect)) }
}
