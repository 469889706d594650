// Match rules. A rule in its one spelling must be the same rule.

import DBusWire

enum MatchRuleBody {
  static func run(_ input: [UInt8]) {
    do throws(MatchRuleError) {
      let rule = try MatchRule(parsing: input.span.bytes)
      demand(input.count <= MatchRule.byteCountMax, "a rule that is too long")
      // Quoting makes it longer, and it may then be too long.
      if rule.canonicalText.count > MatchRule.byteCountMax { return }
      let again = try MatchRule(parsing: rule.canonicalText.span.bytes)
      demand(again == rule, "another rule in its one spelling")
    } catch {
      demand(!"\(error)".isEmpty, "an error that says nothing")
      demand((try? MatchRule(parsing: input.span.bytes)) == nil, "a rule in one spelling is none: \(error)")
    }
  }
}
