// Where the keys of each rule stand. Policies keep where a rule begins and no more, since the sidecar needs no more; who points with a
// caret reads the text again, with the same reader.

import GatePolicy

/// The places of the parts of a document's rules.
public struct RuleOutline: Sendable {
  private struct Place: Hashable {
    let file: String
    let line: Int
    let column: Int

    init(_ location: SourceLocation) { (file, line, column) = (location.file, location.line, location.column) }
  }

  private var keys: [Place: [String: [SourceLocation]]] = [:]

  /// Knows no places.
  public init() {}

  /// Adds the places of a document, or manifest, that the parser accepted.
  public mutating func add(_ text: [UInt8], file: String) {
    do throws(ConfigurationError) {
      var reader = try JSONReader(text, file: file, firstLine: 1)
      _ = try reader.peek()
      try walk(&reader)
    } catch {
      preconditionFailure("a document that was accepted cannot be read again: \(error)")
    }
  }

  /// Where the value of `key` stands, or its element at `index` if it is an array; the rule's own place if the rule has no such key.
  func location(of key: String, in rule: GatewayRule, at index: Int = 0) -> SourceLocation {
    guard let places = keys[Place(rule.location)]?[key] else { return rule.location }
    return index < places.count ? places[index] : places.first ?? rule.location
  }

  /// Visits every object; those that are rules are found by their place later.
  private mutating func walk(_ reader: inout JSONReader) throws(ConfigurationError) {
    switch try reader.peek() {
    case .object:
      let start = Place(reader.location)
      var own: [String: [SourceLocation]] = [:]
      try reader.open()
      while let key = try reader.nextKey() {
        let kind = try reader.peek()
        own[String(decoding: key.text, as: UTF8.self)] =
          kind == .array ? try elements(&reader) : [reader.location]
        if kind != .array { try walk(&reader) }
      }
      if own["direction"] != nil { keys[start] = own }
    case .array:
      _ = try elements(&reader)
    case .string, .number, .boolean, .null:
      try reader.skipValue()
    }
  }

  private mutating func elements(_ reader: inout JSONReader) throws(ConfigurationError) -> [SourceLocation] {
    var places: [SourceLocation] = []
    try reader.open()
    while try reader.nextElement() {
      _ = try reader.peek()
      places.append(reader.location)
      try walk(&reader)
    }
    return places
  }
}
