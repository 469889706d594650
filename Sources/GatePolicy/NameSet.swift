// A set of a policy's name patterns, by number: what a session remembers of a unique name. Up to 64 patterns take no memory of their own.

/// Numbers of name patterns of one policy.
public struct NameSet: Sendable, Equatable {
  private var first: UInt64 = 0
  private var rest: [UInt64] = []

  /// No pattern.
  public init() {}

  /// Whether there is none.
  public var isEmpty: Bool { first == 0 && rest.allSatisfy { $0 == 0 } }

  /// Whether pattern `number` is there.
  public func contains(_ number: Int) -> Bool {
    if number < 64 { return first & 1 << UInt64(number) != 0 }
    let word = number / 64 - 1
    return word < rest.count && rest[word] & 1 << UInt64(number % 64) != 0
  }

  /// Adds pattern `number`.
  public mutating func insert(_ number: Int) {
    if number < 64 {
      first |= 1 << UInt64(number)
      return
    }
    let word = number / 64 - 1
    while rest.count <= word { rest.append(0) }
    rest[word] |= 1 << UInt64(number % 64)
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
}
