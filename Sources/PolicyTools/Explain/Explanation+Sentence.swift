// The reason of a verdict, as a sentence for people.

import GatePolicy
import GateSession

extension Explanation {
  /// Why, in a sentence that names no rule.
  public var sentence: String {
    if verdict.reason == .rule && verdict.passes { return "a rule allows it" }
    return verdict.reason.entry.sentence.description
  }

  /// For a denial with a near miss: `all but object-path matches the rule at FILE:LINE`.
  public var nearestSentence: String? {
    guard let nearest else { return nil }
    let place = "\(nearest.location.file):\(nearest.location.line)"
    if misses.map(\.key) == ["literal"] { return "the rule at \(place) matches, but with a wildcard" }
    return "all but \(misses.map(\.key).joined(separator: ", ")) matches the rule at \(place)"
  }
}
