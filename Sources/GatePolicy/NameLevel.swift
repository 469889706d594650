// How far a name is open. What each level opens is decided in GateSession; the rules that a level stands for are made by NameRules.

/// The policy for a name. Each level has what the one before it has.
///
/// The corresponding manual page is xdg-dbus-proxy(1), "Policy".
public enum NameLevel: UInt8, Comparable, Sendable {
  /// The name is hidden: whatever is asked about it is answered as if nobody had it.
  case none
  /// The client may ask who owns the name, and is told when that changes.
  case see
  /// Calls and signals may be sent to the name, its signals come in, and it may be started.
  case talk
  /// The name may be requested.
  case own

  /// The lower level is the smaller.
  public static func < (a: NameLevel, b: NameLevel) -> Bool { a.rawValue < b.rawValue }
}
