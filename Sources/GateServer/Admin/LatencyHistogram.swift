// How long the gate takes: a histogram with fixed bounds, in plain integers.

/// Durations by size.
struct LatencyHistogram {
  /// Upper bounds in nanoseconds, 10 µs to 100 ms: below the first lies one system call, above the last what a person notices.
  static let bounds: [UInt64] = [
    10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
    100_000_000,
  ]

  /// How many fell between the bound before and this one; the last is for what is above all bounds.
  private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
  /// All of them together, in nanoseconds.
  private(set) var sum: UInt64 = 0

  /// Notes one duration.
  mutating func observe(nanoseconds: UInt64) {
    var place = 0
    while place < Self.bounds.count && nanoseconds > Self.bounds[place] { place &+= 1 }
    counts[place] &+= 1
    sum &+= nanoseconds
  }
}
