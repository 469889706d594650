// What rules are asked about one message. The bytes stay where they are, so a query cannot outlive them. Made by whoever decides on a
// message; Policy answers it, and CompiledRules reads it.

import DBusWire

/// The fields of one METHOD_CALL or SIGNAL that rules look at. Rules do not speak about other types.
///
/// The texts are those of a well-formed header.
///
/// Source: ours.
public struct RuleQuery: BitwiseCopyable, ~Escapable {
  /// The way of the message.
  public let direction: Direction
  /// Whether it is a SIGNAL; else it is a METHOD_CALL.
  public let isSignal: Bool
  /// INTERFACE, of no bytes when absent. Then an allow rule matches only if its interface is exactly `*`, and a deny rule whatever
  /// interface it names (CVE-2008-0595).
  public let interface: RawSpan
  /// PATH.
  public let path: RawSpan
  /// MEMBER.
  public let member: RawSpan
  /// DESTINATION of an outgoing message; no bytes if there is none. Asked about only if ``Policy/followsNames``.
  public let name: RawSpan
  /// Number of file descriptors that the message carries.
  public let descriptors: Int

  /// What rules are asked about `message`: its own fields. Of an incoming message the name is not asked about.
  ///
  /// Precondition: it is a METHOD_CALL or a SIGNAL.
  /// - Parameter direction: The way of the message.
  @inlinable @inline(__always)
  @_lifetime(copy message)
  public init(_ message: MessageView, direction: Direction) {
    precondition(message.type == .methodCall || message.type == .signal, "rules speak of calls and signals only")
    self.direction = direction
    isSignal = message.type == .signal
    interface = message.interface
    path = message.path
    member = message.member
    name = direction == .outgoing ? message.destination : RawSpan()
    descriptors = message.descriptorCount
  }

  /// A query about fields that are nobody's, or about a call that is judged as if it had named its interface.
  ///
  /// - Parameters:
  ///   - direction: The way of the message.
  ///   - isSignal: Whether it is a SIGNAL.
  ///   - interface: INTERFACE; no bytes if absent.
  ///   - path: PATH.
  ///   - member: MEMBER.
  ///   - descriptors: Number of file descriptors, 0 or more.
  ///   - name: DESTINATION of an outgoing message; no bytes if there is none.
  @inlinable @inline(__always)
  @_lifetime(copy interface, copy path, copy member, copy name)
  public init(
    direction: Direction, isSignal: Bool, interface: RawSpan, path: RawSpan, member: RawSpan, descriptors: Int,
    name: RawSpan = RawSpan()
  ) {
    self.direction = direction
    self.isSignal = isSignal
    self.interface = interface
    self.path = path
    self.member = member
    self.name = name
    self.descriptors = descriptors
  }
}
