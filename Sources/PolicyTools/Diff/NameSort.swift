// The grammars of what rules match against, as automata that read a byte at a time. NameGrammar of DBusWire decides about whole
// names at once and cannot be walked through; a test holds the two together.

/// What a pattern of a rule is matched against.
///
/// Spec: "message-protocol-marshaling-object-path", "message-protocol-names".
enum NameSort: CaseIterable {
  case interface, path, member
  /// A well-known bus name.
  case name

  /// Where every name begins.
  static let start: Int32 = 0

  /// Most bytes of a legal name.
  var byteCountMax: Int { self == .path ? .max : 255 }

  /// The state behind `byte`, or nil if no legal name goes on like this.
  func step(_ state: Int32, _ byte: UInt8) -> Int32? {
    switch self {
    case .interface: Self.stepInterface(state, byte)
    case .name: Self.stepInterface(state, byte == UInt8(ascii: "-") ? UInt8(ascii: "_") : byte)
    case .path: Self.stepPath(state, byte)
    case .member: byte.isNameLetter || (state == 1 && byte.isDigit) ? 1 : nil
    }
  }

  /// Whether a legal name may end in `state`.
  func accepts(_ state: Int32) -> Bool {
    switch self {
    case .interface, .name: state == 3
    case .path: state == 1 || state == 2
    case .member: state == 1
    }
  }

  /// 0 before, 1 inside the first element; 2 before, 3 inside a later one.
  private static func stepInterface(_ state: Int32, _ byte: UInt8) -> Int32? {
    if byte.isNameLetter { return state < 2 ? 1 : 3 }
    if byte.isDigit { return state & 1 == 1 ? state : nil }
    return byte == UInt8(ascii: ".") && state & 1 == 1 ? 2 : nil
  }

  /// 0 before anything, 1 behind the first slash, 2 inside an element, 3 behind a later slash.
  private static func stepPath(_ state: Int32, _ byte: UInt8) -> Int32? {
    if byte == UInt8(ascii: "/") { return state == 0 ? 1 : state == 2 ? 3 : nil }
    return state > 0 && (byte.isNameLetter || byte.isDigit) ? 2 : nil
  }

  /// Whether `name` is legal.
  func isLegal(_ name: [UInt8]) -> Bool {
    if name.count > byteCountMax { return false }
    var state = Self.start
    for byte in name {
      guard let next = step(state, byte) else { return false }
      state = next
    }
    return accepts(state)
  }

  /// The bytes that legal names may have.
  var alphabet: [UInt8] {
    switch self {
    case .interface: Self.letters + Self.digits + [UInt8(ascii: ".")]
    case .path: Self.letters + Self.digits + [UInt8(ascii: "/")]
    case .member: Self.letters + Self.digits
    case .name: Self.letters + Self.digits + Array(".-".utf8)
    }
  }

  // `x` first, so that examples have it where any letter would do.
  private static let letters = Array("xyzabcdefghijklmnopqrstuvwABCDEFGHIJKLMNOPQRSTUVWXYZ_".utf8)
  private static let digits = Array("0123456789".utf8)
}
