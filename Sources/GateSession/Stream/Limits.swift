// Every bound of one connection, with where the number comes from. Limits of a whole gate (how many connections there may
// be) are the server's business and stand in GateServer.

/// What one connection may cost, at most. Immutable once a gate runs.
///
/// Source: contrib/OPERATORS.md, "Limits".
public struct Limits: Sendable {
  /// Largest message in bytes. 134217728: the specification's own bound.
  public var messageBytesMax = 134_217_728
  /// Longest header in bytes, padding included. 262144: one read buffer; object paths have no length limit of their own.
  public var headerBytesMax = 262_144
  /// Largest message whose body is looked into (the driver's arguments). One read buffer, at most: what is to be
  /// inspected has to be in one place.
  public var inspectBytesMax = 262_144
  /// Descriptors that may accompany one message, 0…253 (the kernel's SCM_MAX_FD). dbus-daemon's, 16 on a system bus.
  public var descriptorsPerMessageMax = 253
  /// Outgoing calls whose answer is outstanding. 50000: dbus-daemon's for a session bus; 128 on a system bus.
  public var pendingRepliesMax = 50_000
  /// Incoming calls whose answer is outstanding, for each caller. 50000: dbus-daemon's for a session bus; 128 on a system bus.
  public var incomingCallsPerCallerMax = 50_000
  /// Incoming calls whose answer is outstanding, in all. 4096 on a system bus.
  public var incomingCallsMax = 50_000
  /// Match rules that the client may have at a time. 512 on a system bus: dbus-daemon's; the bus charges them to the gate's uid.
  public var matchesMax = 4096
  /// Well-known names that the client may own or wait for.
  public var namesMax = 512
  /// Owners of names, and names, that are followed for the client, each; and as many peers that called it.
  public var ownersMax = 4096
  /// Bytes of the gate's own messages (error replies) that wait for one peer to take them.
  public var ownOutputBytesMax = 65_536
  /// Until BEGIN, from accept on, in milliseconds. dbus-daemon's.
  public var authTimeout: UInt64 = 30_000
  /// From the connection to the bus until Hello is answered, in milliseconds.
  public var helloTimeout: UInt64 = 5_000
  /// How long an unfinished message may keep the gate's own messages, or its descriptors, waiting, in milliseconds of waiting for
  /// its sender.
  public var partialMessageTimeout: UInt64 = 30_000
  /// How long what a closed peer had sent may take to be delivered, in milliseconds.
  public var drainTimeout: UInt64 = 10_000

  /// The defaults, which are those of a session bus.
  public init() {}

  /// The most descriptors the kernel passes with one sendmsg (SCM_MAX_FD).
  public static let kernelDescriptorsMax = 253
}
