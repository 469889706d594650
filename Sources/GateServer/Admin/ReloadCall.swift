// Asking a running gate to reload, from outside, and what it answers.

import GatePolicy

/// What a running gate said to being asked for a reload.
public enum ReloadAnswer: Equatable, Sendable {
  /// The new policy is in force, with so many rules at each gate.
  case done([Gate])
  /// The old policy stays: everything that is wrong, each as a line for people.
  case refused([String])
  /// It does not reload when asked.
  case unable(String)

  /// A gate, and how many rules it has now.
  public struct Gate: Equatable, Sendable {
    /// Its label.
    public let label: String
    /// How many rules it has.
    public let rules: Int
  }

  /// Milliseconds that a reload may take until nobody waits for it any more: as long as systemd waits for ExecReload= (DefaultTimeoutStartSec=).
  private static let patience: UInt64 = 90_000

  /// Asks the gate whose control socket is at `path` to reload, and waits until it has.
  public static func ask(at path: String) throws(AdminCall.Failure) -> ReloadAnswer {
    let line = try AdminCall(.control, at: path, within: patience).answer(to: Array("reload\n".utf8))
    if line.starts(with: "HTTP/".utf8) {
      throw AdminCall.Failure(
        description: "\(path): error: it answers in HTTP, as the socket of --metrics does, expected that of --control")
    }
    do throws(ConfigurationError) { return try parse(line, file: path) } catch {
      throw AdminCall.Failure(description: "\(error)")
    }
  }

  /// `reloaded: session 3 rules, system 1 rule`.
  public static func summary(_ gates: [Gate]) -> String {
    let told = gates.map { "\(PlainText.onOneLine($0.label)) \($0.rules) rule\($0.rules == 1 ? "" : "s")" }
    return "reloaded: " + told.joined(separator: ", ")
  }

  /// Reads an answer, one JSON object; keys that it does not know it passes over.
  static func parse(_ line: [UInt8], file: String) throws(ConfigurationError) -> ReloadAnswer {
    var reader = try JSONReader(line, file: file, firstLine: 1)
    var (isDone, gates, errors, error) = (false, [Gate](), [String]?.none, String?.none)
    if try reader.peek(expected: "an answer") != .object { throw reader.unexpected(expected: "an object") }
    try reader.open()
    while let key = try reader.nextKey() {
      switch String(decoding: key.text, as: UTF8.self) {
      case "reload": isDone = try text(&reader) == "done"
      case "gates": gates = try readGates(&reader)
      case "error": error = try text(&reader)
      case "errors": errors = try readTexts(&reader)
      default: try reader.skipValue()
      }
    }
    try reader.end()
    if let errors { return .refused(errors) }
    if isDone { return .done(gates) }
    return .unable(error ?? "what it answers is not about a reload")
  }

  private static func text(_ reader: inout JSONReader) throws(ConfigurationError) -> String {
    if try reader.peek() != .string { throw reader.unexpected(expected: "a string") }
    return String(decoding: try reader.string(), as: UTF8.self)
  }

  private static func readTexts(_ reader: inout JSONReader) throws(ConfigurationError) -> [String] {
    if try reader.peek() != .array { throw reader.unexpected(expected: "an array") }
    var texts: [String] = []
    try reader.open()
    while try reader.nextElement() { texts.append(try text(&reader)) }
    return texts
  }

  private static func readGates(_ reader: inout JSONReader) throws(ConfigurationError) -> [Gate] {
    if try reader.peek() != .array { throw reader.unexpected(expected: "an array") }
    var gates: [Gate] = []
    try reader.open()
    while try reader.nextElement() {
      if try reader.peek() != .object { throw reader.unexpected(expected: "an object") }
      var (label, rules) = ("", 0)
      try reader.open()
      while let key = try reader.nextKey() {
        switch String(decoding: key.text, as: UTF8.self) {
        case "gate": label = try text(&reader)
        case "rules":
          if try reader.peek() != .number { throw reader.unexpected(expected: "a number") }
          rules = Int(String(decoding: try reader.number(), as: UTF8.self)) ?? 0
        default: try reader.skipValue()
        }
      }
      gates.append(Gate(label: label, rules: rules))
    }
    return gates
  }
}
