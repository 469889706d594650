// The words that a line of the authentication protocol can begin with.

/// A command of the authentication protocol.
///
/// Spec: "auth-protocol".
public enum SASLCommand: Sendable, BitwiseCopyable {
  /// AUTH, from the client: a mechanism, perhaps with an initial response.
  case auth
  /// CANCEL, from the client.
  case cancel
  /// DATA, from either side.
  case data
  /// ERROR, from either side.
  case error
  /// BEGIN, from the client, bare: the next byte is the first of a message.
  case begin
  /// NEGOTIATE_UNIX_FD, from the client.
  case negotiateUnixFD
  /// REJECTED, from the server, with the mechanisms that it has.
  case rejected
  /// OK, from the server, with its GUID.
  case ok
  /// AGREE_UNIX_FD, from the server.
  case agreeUnixFD
  /// Anything else: to be answered with ERROR, never acted upon.
  case unknown
}
