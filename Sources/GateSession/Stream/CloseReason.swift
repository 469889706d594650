// Why a session ends: the peer's fault, a limit, or an ordinary end. A value, never thrown.

import DBusWire

/// Why a connection is closed.
///
/// Source: ours.
public enum CloseReason: Equatable, Sendable, CustomStringConvertible {
  /// A peer closed its end.
  case endOfStream(Side)
  /// A peer sent what is no D-Bus message.
  case malformed(Side, WireError)
  /// Descriptors that came with a message do not match its UNIX_FDS.
  case descriptorMismatch(Side)
  /// A peer failed to authenticate, or spoke nonsense doing it.
  case handshake(Side, HandshakeFailure)
  /// BEGIN and Hello did not come within `auth-timeout`.
  case authTimeout
  /// Hello was not answered within `hello-timeout`.
  case helloTimeout
  /// An unfinished message kept the gate's own messages, or its descriptors, waiting for `partial-message-timeout`.
  case partialMessageTimeout(Side)
  /// For `partial-message-timeout` neither side took the errors that it had caused, so that neither was read.
  case mutualWait
  /// What a closed peer had sent could not be delivered within `drain-timeout`.
  case drainTimeout
  /// The bus is another one than the client was told (it was restarted), or agrees to other things.
  case busChanged
  /// The bus refused a call without which the gate cannot know who owns which name.
  case namesNotFollowed
  /// A reload took away the rule that had made the connection a monitor.
  case monitorRevoked

  /// The bus refused to release a name that a reload took from the client.
  case nameNotReleased

  /// A sentence for the log.
  public var description: String {
    switch self {
    case .endOfStream(let side): "\(side) closed its end"
    case .malformed(let side, let error): "\(side) sent a malformed message: \(error)"
    case .descriptorMismatch(let side): "\(side) sent file descriptors that do not match UNIX_FDS"
    case .handshake(let side, let failure): "handshake with the \(side) failed: \(failure)"
    case .authTimeout: "the client did not authenticate within auth-timeout, or did not say Hello"
    case .helloTimeout: "no Hello was answered within hello-timeout"
    case .partialMessageTimeout(let side): "the \(side) left a message unfinished for partial-message-timeout"
    case .mutualWait: "neither side took the errors that it had caused for partial-message-timeout"
    case .drainTimeout: "what a closed peer had sent could not be delivered within drain-timeout"
    case .busChanged: "the bus is not the one that the client was told of: it was restarted"
    case .namesNotFollowed: "the bus refused to tell the gate who owns which name"
    case .nameNotReleased: "the bus refused to release a name that the policy no longer lets the client own"
    case .monitorRevoked: "the rule that allowed BecomeMonitor was taken away"
    }
  }
}
