// A JSON text as a tree, for answers of a running gate, which are small and of a form that later versions may widen. Configurations and
// logs are never read into trees.

import GatePolicy

/// A JSON value.
public indirect enum JSONValue: Sendable, Equatable {
  /// Members in order.
  case object([Member])
  /// Elements in order.
  case array([JSONValue])
  /// A string.
  case string(String)
  /// A number as it was written.
  case number(String)
  /// `true` or `false`.
  case boolean(Bool)
  /// `null`.
  case null

  /// A member of an object.
  public struct Member: Sendable, Equatable {
    /// Its key.
    public let key: String
    /// Its value.
    public let value: JSONValue
  }

  /// The value that `text` spells.
  public static func parse(_ text: [UInt8], file: String) throws(ConfigurationError) -> JSONValue {
    var reader = try JSONReader(text, file: file, firstLine: 1)
    let value = try read(&reader)
    try reader.end()
    return value
  }

  private static func read(_ reader: inout JSONReader) throws(ConfigurationError) -> JSONValue {
    switch try reader.peek() {
    case .object:
      var members: [Member] = []
      try reader.open()
      while let key = try reader.nextKey() {
        members.append(Member(key: String(decoding: key.text, as: UTF8.self), value: try read(&reader)))
      }
      return .object(members)
    case .array:
      var elements: [JSONValue] = []
      try reader.open()
      while try reader.nextElement() { elements.append(try read(&reader)) }
      return .array(elements)
    case .string: return .string(String(decoding: try reader.string(), as: UTF8.self))
    case .number: return .number(String(decoding: try reader.number(), as: UTF8.self))
    case .boolean: return .boolean(try reader.boolean())
    case .null:
      try reader.skipValue()
      return .null
    }
  }

  /// The member called `key`; nil if there is none.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  /// A string or number as text; empty for what is neither.
  public var text: String? {
    switch self {
    case .string(let text), .number(let text): text
    case .boolean(let flag): flag ? "true" : "false"
    case .object, .array, .null: nil
    }
  }

  /// The elements of an array, none of anything else.
  public var elements: [JSONValue] {
    guard case .array(let elements) = self else { return [] }
    return elements
  }

  /// The members of an object, none of anything else.
  public var members: [Member] {
    guard case .object(let members) = self else { return [] }
    return members
  }
}
