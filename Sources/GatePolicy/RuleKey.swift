// The keys that a rule of a gateway document may have. Used by the rule parser and its messages.

/// A key of a rule. The raw value is how it is written.
enum RuleKey: String, CaseIterable {
  case direction
  case interface
  case objectPath = "object-path"
  case method
  case type
  case action
  case name
  case maxFDs = "max-fds"
  case log
  case comment

  /// The four keys that every rule has, in the order in which messages ask for them.
  static let classic: [RuleKey] = [.direction, .interface, .objectPath, .method]

  /// The classic keys as a message lists them.
  static let classicNames = list(classic)
  /// All keys as a message lists them.
  static let names = list(allCases)

  private static func list(_ keys: [RuleKey]) -> String { keys.map { "\"\($0.rawValue)\"" }.joined(separator: ", ") }

  /// Whether `key` is one that narrows a rule and that this version does not know to apply. To ignore it would widen the rule.
  static func isUnsupported(_ key: [UInt8]) -> Bool {
    let key = String(decoding: key, as: UTF8.self)
    if key == "rate" || key == "arg0namespace" { return true }
    guard key.hasPrefix("arg") else { return false }
    let number = key.hasSuffix("path") ? key.dropFirst(3).dropLast(4) : key.dropFirst(3)
    guard let index = Int(number), "\(index)" == number else { return false }
    return (0...63).contains(index)
  }
}
