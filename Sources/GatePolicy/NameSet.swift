// A set of a policy's name patterns, by number: what a session remembers of a unique name. Up to 64 patterns take no memory of their own.

/// Numbers of name patterns of one policy.
///
/// Source: ours.
public struct NameSet: Sendable, Equatable {
  private var first: UInt64 = 0
  /// Never ends with a zero, so that equal sets are equal.
  private var rest: [UInt64] = []

  /// No pattern.
  public init() {}

  /// Whether there is none.
  public var isEmpty: Bool { first == 0 && rest.isEmpty }

  /// Whether pattern `number` is there.
  public func contains(_ number: Int) -> Bool {
    if number < 64 { return first & Self.bit(number) != 0 }
    let word = number / 64 - 1
    return word < rest.count && rest[word] & Self.bit(number) != 0
  }

  /// Adds pattern `number`.
  public mutating func insert(_ number: Int) {
    if number < 64 {
      first |= Self.bit(number)
      return
    }
    let word = number / 64 - 1
    while rest.count <= word { rest.append(0) }
    rest[word] |= Self.bit(number)
  }

  /// Takes pattern `number` away.
  public mutating func remove(_ number: Int) {
    if number < 64 {
      first &= ~Self.bit(number)
      return
    }
    let word = number / 64 - 1
    if word >= rest.count { return }
    rest[word] &= ~Self.bit(number)
    while rest.last == 0 { rest.removeLast() }
  }

  /// Adds the patterns of `other`.
  public mutating func formUnion(_ other: NameSet) {
    first |= other.first
    while rest.count < other.rest.count { rest.append(0) }
    for word in other.rest.indices { rest[word] |= other.rest[word] }
  }

  /// Calls `body` with each number, the lowest first.
  public func forEach(_ body: (Int) -> Void) {
    for word in 0...rest.count {
      var bits = word == 0 ? first : rest[word - 1]
      while bits != 0 {
        body(word * 64 + bits.trailingZeroBitCount)
        bits &= bits - 1
      }
    }
  }

  private static func bit(_ number: Int) -> UInt64 { 1 << UInt64(number % 64) }
}
