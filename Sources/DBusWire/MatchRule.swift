// Match rules, read as a bus reads them, so that a gate knows what an AddMatch asks for before the bus does. The bus gets the text that
// the client sent. A text that dbus-daemon and dbus-broker read in two ways is therefore refused.
// Does not match messages. May allocate: at most 1024 bytes are read, once each.

/// A match rule.
///
/// The grammar: `key=value` any number of times, with a comma between, perhaps one at the end. Blanks, tabs, CR and LF may stand
/// before a key and before its `=`, nowhere else. In a value, `'` begins and ends a quoted part, which stands for itself. Outside of
/// quoted parts `\'` is an apostrophe, any other backslash is itself, and a comma ends the value. Only `eavesdrop` may be there twice.
///
/// Where the two buses differ, texts are refused:
/// - dbus-broker passes over stray `=` before a key, dbus-daemon silently ignores all the rest of the rule.
/// - dbus-daemon silently ignores what follows the sixteenth key.
/// - After a backslash that escapes nothing, dbus-daemon takes the next byte as it is, be it a comma or a backslash.
/// - dbus-daemon reads argument numbers as C does (`arg0x1`, `arg010`, `arg+1`), dbus-broker reads `arg` as `arg0`.
/// - dbus-daemon checks names, dbus-broker only paths.
/// - dbus-daemon has `eavesdrop`, dbus-broker refuses it. The last one wins, so that any that isn't `false` is taken as asking.
///
/// Spec: "message-bus-routing-match-rules".
public struct MatchRule: Sendable, Equatable {
  /// Most bytes of a rule. The corresponding constant is DBUS_MAXIMUM_MATCH_RULE_LENGTH.
  public static var byteCountMax: Int { 1024 }
  /// Most keys of a rule. The corresponding constant is MAX_RULE_TOKENS of dbus-daemon.
  public static var keysMax: Int { 16 }

  /// Whether the rule has the key `eavesdrop` with any value but `false`, or may be read so.
  public let asksToEavesdrop: Bool
  /// Whether the rule has the key `eavesdrop`, whatever its value.
  public let hasEavesdrop: Bool
  /// The rule in one spelling: keys in order, values quoted, `eavesdrop=false` left out. Two rules that don't ask to eavesdrop are
  /// the same to a bus if, and only if, these are equal.
  public let canonicalText: [UInt8]

  /// What a message must have to be asked for.
  struct Condition: Sendable, Equatable {
    let key: MatchKey
    let value: [UInt8]
  }
  let conditions: [Condition]

  /// Whether the two are the same rule.
  public static func == (a: MatchRule, b: MatchRule) -> Bool {
    a.asksToEavesdrop == b.asksToEavesdrop && a.canonicalText == b.canonicalText
  }

  /// Reads a rule. An empty one is legal, and matches everything.
  public init(parsing text: RawSpan) throws(MatchRuleError) {
    guard text.byteCount <= MatchRule.byteCountMax else { throw .tooLong }
    var reader = MatchRuleReader(text)
    var conditions: [Condition] = []
    var asksToEavesdrop = false, hasEavesdrop = false, count = 0
    while let keyRange = try reader.takeKey() {
      let start = Int(keyRange.offset)
      count += 1
      guard count <= MatchRule.keysMax else { throw .tooManyKeys(start) }
      guard let key = MatchKey(text.bytes(in: keyRange)) else { throw .unknownKey(start) }
      let valueStart = reader.offset
      let value = try reader.takeValue()
      if key == .eavesdrop {
        hasEavesdrop = true
        if value != Array("false".utf8) { asksToEavesdrop = true }
        continue
      }
      guard !conditions.contains(where: { $0.key.subject == key.subject }) else { throw .repeatedKey(start) }
      guard MatchRule.isValue(value, of: key) else { throw .value(valueStart) }
      Self.add(Condition(key: key, value: value), to: &conditions)
    }
    self.conditions = conditions
    self.asksToEavesdrop = asksToEavesdrop
    self.hasEavesdrop = hasEavesdrop
    if asksToEavesdrop { Self.add(Condition(key: .eavesdrop, value: Array("true".utf8)), to: &conditions) }
    self.canonicalText = MatchRule.canonicalText(of: conditions)
  }

  private static func isValue(_ value: [UInt8], of key: MatchKey) -> Bool {
    // Bytes of elements are unsafe to read where elements may have padding. UInt8 has none.
    unsafe key.accepts(value.span.bytes)
  }

  /// Keeps the keys in the order of their texts.
  private static func add(_ condition: Condition, to conditions: inout [Condition]) {
    let text = condition.key.text
    conditions.insert(condition, at: conditions.firstIndex { $0.key.text > text } ?? conditions.count)
  }

  private static func canonicalText(of conditions: [Condition]) -> [UInt8] {
    var text: [UInt8] = []
    for condition in conditions {
      if !text.isEmpty { text.append(UInt8(ascii: ",")) }
      text += condition.key.text.utf8
      text += "='".utf8
      for byte in condition.value {
        if byte == UInt8(ascii: "'") { text += "'\\'".utf8 }
        text.append(byte)
      }
      text.append(UInt8(ascii: "'"))
    }
    return text
  }
}
