// The RULE of xdg-dbus-proxy's `--call` and `--broadcast`: which messages of a name. Read from text here; NameRules makes rules of it.

/// Which calls to a name, or broadcasts of it, are meant: `[METHOD][@PATH]`.
///
/// METHOD is `*`, an interface and `.*`, or an interface, a dot and a member; none is `*`. PATH is an object path, or one and `/*` for it
/// and everything below it; none is every path.
///
/// The corresponding manual page is xdg-dbus-proxy(1).
public struct MessagePattern: Sendable, Equatable {
  /// Matched against INTERFACE.
  let interface: Glob
  /// Matched against MEMBER.
  let member: Glob
  /// One of these is matched against PATH.
  let paths: [Glob]

  /// Every message.
  public static let everything = MessagePattern()

  private init() {
    let everything = Glob([UInt8(ascii: "*")])
    (interface, member, paths) = (everything, everything, [everything])
  }

  /// The pattern that `text` spells.
  ///
  /// Throws at the first byte that does not belong there.
  public init(parsing text: [UInt8]) throws(NamePatternError) {
    let everything = Glob([UInt8(ascii: "*")])
    let at = text.firstIndex(of: UInt8(ascii: "@")) ?? text.count
    if at == text.count {
      paths = [everything]
    } else {
      paths = try MessagePattern.paths(text[(at + 1)...])
    }
    let method = text[..<at]
    if method.isEmpty || method.elementsEqual("*".utf8) {
      (interface, member) = (everything, everything)
      return
    }
    guard let dot = method.lastIndex(of: UInt8(ascii: ".")) else {
      throw NamePatternError(offset: at, expected: "\"*\", an interface and \".*\", or an interface, \".\" and a method")
    }
    try MessagePattern.check(method[..<dot], isInterface: true)
    let last = method[(dot + 1)...]
    if !last.elementsEqual("*".utf8) { try MessagePattern.check(last, isInterface: false) }
    interface = Glob(Array(method[..<dot]))
    member = Glob(Array(last))
  }

  private static func paths(_ text: ArraySlice<UInt8>) throws(NamePatternError) -> [Glob] {
    let isSubtree = text.count >= 2 && text.suffix(2).elementsEqual("/*".utf8)
    let path = isSubtree ? text.dropLast(2) : text
    var previous: UInt8?
    for (offset, byte) in zip(path.indices, path) {
      if previous == nil && byte != UInt8(ascii: "/") { throw NamePatternError(offset: offset, expected: "\"/\"") }
      if byte == UInt8(ascii: "/") && previous == byte {
        throw NamePatternError(offset: offset, expected: "an element of a path")
      }
      if byte != UInt8(ascii: "/") && !isWordByte(byte) {
        throw NamePatternError(offset: offset, expected: "a letter, digit, \"_\", \"/\", or \"/*\" at the end")
      }
      previous = byte
    }
    if path.isEmpty && !isSubtree { throw NamePatternError(offset: text.endIndex, expected: "an object path") }
    if previous == UInt8(ascii: "/") && (path.count > 1 || isSubtree) {
      throw NamePatternError(offset: path.endIndex, expected: "an element of a path")
    }
    if !isSubtree { return [Glob(Array(path))] }
    if path.isEmpty { return [Glob([UInt8(ascii: "*")])] }
    return [Glob(Array(path)), Glob(Array(text))]
  }

  /// Throws at the first byte that an interface, or a member, does not have.
  private static func check(_ text: ArraySlice<UInt8>, isInterface: Bool) throws(NamePatternError) {
    var isElementEmpty = true, dots = 0
    for (offset, byte) in zip(text.indices, text) {
      if isInterface && byte == UInt8(ascii: ".") && !isElementEmpty {
        isElementEmpty = true
        dots += 1
        continue
      }
      let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      if !isWordByte(byte) || isElementEmpty && isDigit {
        throw NamePatternError(offset: offset, expected: isElementEmpty ? "a letter or \"_\"" : "a letter, digit or \"_\"")
      }
      isElementEmpty = false
    }
    if isElementEmpty {
      throw NamePatternError(offset: text.endIndex, expected: isInterface ? "an element of an interface" : "a method")
    }
    if isInterface && dots == 0 { throw NamePatternError(offset: text.endIndex, expected: "another element of an interface") }
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
