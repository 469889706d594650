// What a connection can carry besides bytes, by the kind of its address. Knows no address and opens nothing: who does, in GateServer, says
// which transport it was.

/// What an address can do: the one thing that handshakes ask about the kind of a connection.
///
/// Source: ours.
public struct Transport: Sendable, BitwiseCopyable, Equatable {
  /// What addresses call it, as in "addresses" of the specification: `unix`.
  public let name: StaticString
  /// Whether descriptors pass. If not, NEGOTIATE_UNIX_FD is refused to a client, and not asked of a bus.
  public let carriesDescriptors: Bool
  /// Whether the kernel says who the peer is. If not, no credential is ever assumed, and EXTERNAL is not to be had.
  public let carriesCredentials: Bool

  /// A kind of address.
  public init(name: StaticString, carriesDescriptors: Bool, carriesCredentials: Bool) {
    self.name = name
    self.carriesDescriptors = carriesDescriptors
    self.carriesCredentials = carriesCredentials
  }

  /// Whether both are the same kind of address, and can do the same.
  public static func == (left: Transport, right: Transport) -> Bool {
    left.name.description == right.name.description && left.carriesDescriptors == right.carriesDescriptors
      && left.carriesCredentials == right.carriesCredentials
  }

  /// Unix sockets. Source: unix(7).
  public static let unix = Transport(name: "unix", carriesDescriptors: true, carriesCredentials: true)
}
