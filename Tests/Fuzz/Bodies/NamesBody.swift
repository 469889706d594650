// Name patterns, against the naive reading of them, and the rules that xdg-dbus-proxy(1) writes behind a name. Input: a pattern, NUL, a
// name, NUL, a rule.

import DBusWire
import GatePolicy
import GateSimulation

enum NamesBody {
  static func run(_ input: [UInt8]) {
    let parts = input.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false).map { Array($0) }
    let rule = parts.count > 2 ? messages(parts[2]) : nil
    let pattern: NamePattern
    do throws(NamePatternError) {
      pattern = try NamePattern(parts[0])
    } catch {
      demand(error.offset <= parts[0].count && !"\(error)".isEmpty, "an error without its place: \(error)")
      return
    }
    demand(pattern.text == parts[0], "another pattern than was written")
    if parts.count > 1 { compare(pattern, parts[1]) }
    var names = NameRules()
    let place = SourceLocation(file: "fuzz", line: 1, column: 1)
    names.allow(.talk, pattern, at: place)
    if let rule {
      names.allowCalls(rule, to: pattern, at: place)
      names.allowBroadcasts(rule, from: pattern, at: place)
    }
    demand(Policy(rules: [], names: names, busName: "FUZZ").namePatterns == [pattern], "a pattern is there twice")
  }

  private static func messages(_ text: [UInt8]) -> MessagePattern? {
    do throws(NamePatternError) {
      return try MessagePattern(parsing: text)
    } catch {
      demand(error.offset <= text.count && !"\(error)".isEmpty, "an error without its place: \(error)")
      return nil
    }
  }

  private static func compare(_ pattern: NamePattern, _ name: [UInt8]) {
    let isMatch = pattern.matches(name.span.bytes)
    let namespace = Array(pattern.namespace)
    if isMatch && !namespace.isEmpty {
      demand(
        name == namespace || name.starts(with: namespace + [UInt8(ascii: ".")]),
        "\(pattern) matches what is not below its namespace")
    }
    // The naive reading takes a time that doubles with each wildcard.
    if pattern.text.count(where: { $0 == UInt8(ascii: "*") }) > 3 || name.count > 40 || name.contains(where: { $0 > 127 }) {
      return
    }
    let expected = ReferenceNames.matches(pattern.description, String(decoding: name, as: UTF8.self))
    demand(isMatch == expected, "\(pattern) matches \(String(decoding: name, as: UTF8.self)): \(isMatch), expected \(expected)")
  }
}
