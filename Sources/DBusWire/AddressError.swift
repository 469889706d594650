// Why a text is not a server address.

/// What was expected, and at which byte of the text.
///
/// Spec: "addresses".
public enum AddressError: Error, Equatable, Sendable {
  /// No address at all.
  case empty
  /// A transport and its colon.
  case transport(Int)
  /// A key and its `=`.
  case key(Int)
  /// At least one byte of value.
  case value(Int)
  /// A byte that has to be written as `%` and two digits.
  case unescaped(Int)
  /// Two hexadecimal digits after `%`.
  case escape(Int)
  /// A byte that isn't NUL: nothing that an address names can have one.
  case nul(Int)
  /// A key that wasn't there before.
  case repeatedKey(Int)
  /// 32 hexadecimal digits.
  case guid(Int)
}

extension AddressError: CustomStringConvertible {
  /// One sentence without its full stop.
  public var description: String {
    switch self {
    case .empty: "expected an address, found nothing"
    case .transport(let offset): "expected a transport and ':' at byte \(offset), such as unix:path=/run/bus"
    case .key(let offset): "expected a key and '=' at byte \(offset)"
    case .value(let offset): "expected a value at byte \(offset)"
    case .unescaped(let offset): "expected the byte at \(offset) to be escaped as %XX"
    case .escape(let offset): "expected two hexadecimal digits after '%' at byte \(offset)"
    case .nul(let offset): "expected no NUL at byte \(offset)"
    case .repeatedKey(let offset): "expected another key than the one repeated at byte \(offset)"
    case .guid(let offset): "expected 32 hexadecimal digits as guid at byte \(offset)"
    }
  }
}
