// The grammar of signatures: one pass over at most 255 bytes, nothing allocated.

/// The grammar of type signatures.
///
/// At most 32 arrays and 32 structs may be open at any place. (The reference implementation counts only arrays that follow each
/// other directly; dbus-broker counts as here.) A dict entry stands only in an array, so there are no more of those than of
/// arrays.
///
/// Spec: "type-system".
public enum Signature {
  /// Most bytes of a signature. Spec: "message-protocol-types".
  public static var byteCountMax: Int { 255 }
  /// Most arrays inside each other, and most structs. Spec: "message-protocol-types".
  public static var nestingMax: Int { 32 }

  /// Whether all of `bytes` is a signature: any number of single complete types, also none.
  public static func isSignature(_ bytes: RawSpan) -> Bool { isSignature(bytes, 0, bytes.byteCount) }

  /// Whether all of `bytes` is exactly one complete type, as a variant has.
  public static func isSingleCompleteType(_ bytes: RawSpan) -> Bool { isSingleCompleteType(bytes, 0, bytes.byteCount) }

  @inline(__always)
  static func isSignature(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> Bool {
    // Most signatures are one letter or none.
    if count == 0 { return true }
    if count == 1 { return isSimple(bytes.byte(at: offset)) }
    return areCompleteTypes(bytes, offset, count)
  }

  static func isSingleCompleteType(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> Bool {
    guard count <= byteCountMax else { return false }
    return endOfType(bytes, offset, offset &+ count, arrays: 0, structs: 0) == offset &+ count
  }

  private static func areCompleteTypes(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> Bool {
    guard count <= byteCountMax else { return false }
    let end = offset &+ count
    var offset = offset
    while offset < end {
      guard let next = endOfType(bytes, offset, end, arrays: 0, structs: 0) else { return false }
      offset = next
    }
    return true
  }

  /// Whether `code` is a basic type: one that isn't made of others, and may be the key of a dict entry.
  @inline(__always)
  static func isBasic(_ code: UInt8) -> Bool { code != UInt8(ascii: "v") && isSimple(code) }

  /// Whether `code` is a whole type by itself: a basic type or a variant.
  @inline(__always)
  static func isSimple(_ code: UInt8) -> Bool {
    // The letters b d g h i n o q s t u v x y, counted from a.
    let letters: UInt32 = 0b1_1011_1101_0110_0001_1100_1010
    let index = code &- UInt8(ascii: "a")
    return index < 26 && letters &>> UInt32(index) & 1 != 0
  }

  /// Where the complete type at `offset` ends, or nil if there is none before `end`. Recursion is bounded by the nesting.
  private static func endOfType(_ bytes: RawSpan, _ offset: Int, _ end: Int, arrays: Int, structs: Int) -> Int? {
    guard offset < end else { return nil }
    switch bytes.byte(at: offset) {
    case UInt8(ascii: "a"):
      guard arrays < nestingMax, offset &+ 1 < end else { return nil }
      if bytes.byte(at: offset &+ 1) == UInt8(ascii: "{") {
        return endOfDictEntry(bytes, offset &+ 1, end, arrays: arrays &+ 1, structs: structs)
      }
      return endOfType(bytes, offset &+ 1, end, arrays: arrays &+ 1, structs: structs)
    case UInt8(ascii: "("):
      guard structs < nestingMax else { return nil }
      return endOfStruct(bytes, offset, end, arrays: arrays, structs: structs &+ 1)
    case let code:
      return isSimple(code) ? offset &+ 1 : nil
    }
  }

  private static func endOfStruct(_ bytes: RawSpan, _ offset: Int, _ end: Int, arrays: Int, structs: Int) -> Int? {
    var next = offset &+ 1
    repeat {
      guard let afterField = endOfType(bytes, next, end, arrays: arrays, structs: structs) else { return nil }
      next = afterField
    } while next < end && bytes.byte(at: next) != UInt8(ascii: ")")
    return next < end ? next &+ 1 : nil
  }

  private static func endOfDictEntry(_ bytes: RawSpan, _ offset: Int, _ end: Int, arrays: Int, structs: Int) -> Int? {
    guard offset &+ 1 < end, isBasic(bytes.byte(at: offset &+ 1)) else { return nil }
    guard let afterValue = endOfType(bytes, offset &+ 2, end, arrays: arrays, structs: structs) else { return nil }
    return afterValue < end && bytes.byte(at: afterValue) == UInt8(ascii: "}") ? afterValue &+ 1 : nil
  }
}
