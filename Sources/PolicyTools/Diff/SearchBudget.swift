// How much work a comparison may do. Whether globs cover each other together has no fast answer in general, so there is a bound;
// where it is hit, the comparison says so instead of guessing.

/// Steps that are left.
final class SearchBudget {
  /// Steps for one search. Untuned: less than a second, and 100 MB.
  static let stepsPerSearchMax = 5_000_000
  /// Steps for all searches of a comparison together. Untuned: about a minute.
  static let stepsMax = 500_000_000
  /// Steps that every search gets, however many came before.
  static let stepsPerSearchMin = 50_000

  private var total: Int
  private var left = 0
  private let perSearch: Int

  /// - Parameters:
  ///   - total: for all searches.
  ///   - perSearch: for one.
  init(total: Int = stepsMax, perSearch: Int = stepsPerSearchMax) {
    self.total = total
    self.perSearch = perSearch
  }

  /// Whether the search that was begun last could not be ended.
  private(set) var isSpent = false

  /// A new search begins.
  func begin() {
    left = min(perSearch, max(total, Self.stepsPerSearchMin))
    isSpent = false
  }

  /// Takes `steps`; false if they are not there.
  func take(_ steps: Int) -> Bool {
    left -= steps
    total -= steps
    if left < 0 { isSpent = true }
    return !isSpent
  }
}
