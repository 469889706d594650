// Why a text is no pattern for names, or for the messages of a name, and which byte is wrong. Shown by who read it, who knows where it
// stands.

/// The first byte that is wrong in a pattern.
///
/// The behaviour is that of xdg-dbus-proxy(1).
public struct NamePatternError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Its offset; that of the end if something is missing there.
  public let offset: Int
  /// What was expected there.
  public let expected: String

  /// What was wrong, as the end of a sentence.
  public var description: String { "wrong at character \(offset + 1), expected \(expected)" }
}
