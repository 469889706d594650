// How the file of a socket is to look: owner and permissions.

/// How the file of a socket is to look.
public struct SocketFileOptions: Sendable {
  /// Permissions. 0666: who can reach the directory decides who may connect.
  public var mode: UInt32 = 0o666
  /// Owner and group; nil: as they come.
  public var owner: UInt32?
  /// The group; nil: as it comes.
  public var group: UInt32?

  /// Whether a socket that somebody began to make counts as left behind, and is replaced: see ``ListenFailure/halfMade(_:)``.
  public var replacesHalfMade = false

  /// Everybody who can reach it may connect.
  public init() {}
}
