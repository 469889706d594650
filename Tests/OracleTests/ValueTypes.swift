// What a signature asks for, so that values of it can be written. Knows only signatures that are ones.

/// The complete types of a signature.
struct ValueTypes {
  /// One complete type.
  indirect enum Kind {
    case fixed(UInt8, Int)
    case string, path, signature, variant
    case array(Kind)
    case group([Kind])

    /// What its place has to be a multiple of.
    var alignment: Int {
      switch self {
      case .fixed(_, let count): count
      case .string, .path, .array: 4
      case .signature, .variant: 1
      case .group: 8
      }
    }
  }

  let all: [Kind]

  /// nil if `text` is no signature.
  init?(_ text: String) {
    var rest = Array(text.utf8)[...], all: [Kind] = []
    while !rest.isEmpty {
      guard let one = Self.take(&rest) else { return nil }
      all.append(one)
    }
    self.all = all
  }

  private static func take(_ rest: inout ArraySlice<UInt8>) -> Kind? {
    guard let code = rest.popFirst() else { return nil }
    switch Character(Unicode.Scalar(code)) {
    case "y": return .fixed(code, 1)
    case "n", "q": return .fixed(code, 2)
    case "b", "i", "u", "h": return .fixed(code, 4)
    case "x", "t", "d": return .fixed(code, 8)
    case "s": return .string
    case "o": return .path
    case "g": return .signature
    case "v": return .variant
    case "a": return take(&rest).map { .array($0) }
    case "(", "{":
      var members: [Kind] = []
      while let next = rest.first, next != UInt8(ascii: ")"), next != UInt8(ascii: "}") {
        guard let one = take(&rest) else { return nil }
        members.append(one)
      }
      return rest.popFirst() == nil || members.isEmpty ? nil : .group(members)
    default: return nil
    }
  }
}
