// How much work a comparison may do. Whether globs cover each other together has no fast answer in general, so there is a bound;
// where it is hit, the comparison says so instead of guessing.

/// Steps that are left.
final class SearchBudget {
  /// Steps for one question. Untuned: less than a second, and 100 MB.
  static let stepsPerQuestionMax = 5_000_000
  /// Steps for all questions of a comparison together. Untuned: about a minute.
  static let stepsMax = 500_000_000
  /// Steps that every question gets, however many came before.
  static let stepsPerQuestionMin = 50_000

  private var total: Int
  private var left = 0
  private let perQuestion: Int

  /// - Parameters:
  ///   - total: for all questions.
  ///   - perQuestion: for one.
  init(total: Int = stepsMax, perQuestion: Int = stepsPerQuestionMax) {
    self.total = total
    self.perQuestion = perQuestion
  }

  /// Whether the question that was begun last could not be answered.
  private(set) var isSpent = false

  /// A new question is asked.
  func begin() {
    left = min(perQuestion, max(total, Self.stepsPerQuestionMin))
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
