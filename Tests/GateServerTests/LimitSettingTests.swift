// Limits set by their names: each sets one thing, its default is the one that the table says, and it has bounds.

import GatePolicy
import Testing

@testable import GateServer

@Suite("limits set by their names")
struct LimitSettingTests {
  /// All that a limit may set, as text.
  private func numbers(_ options: GateOptions) -> [String] {
    (Array(Mirror(reflecting: options).children) + Array(Mirror(reflecting: options.settings.limits).children))
      .filter { $0.value is Int || $0.value is UInt64 }.map { "\($0.label ?? "") \($0.value)" }
  }

  private func options(system: Bool = false) throws -> GateOptions {
    var options = GateOptions(
      label: "g", address: .path("/s"), bus: try BusEndpoint(address: "unix:path=/b"),
      policy: Policy(rules: [], busName: "session"))
    if system { options.setSystemBusDefaults() }
    return options
  }

  private func misuse(_ name: String, _ value: String) -> String? {
    do throws(UsageError) {
      _ = try GateOptions.limit(name, to: value)
      return nil
    } catch { return error.description }
  }

  @Test("there is one for each number that a gate or a connection has, and no two set the same", arguments: [false, true])
  func each(system: Bool) throws {
    let before = numbers(try options(system: system))
    var set: Set<Int> = []
    for limit in LimitName.settable {
      var options = try options(system: system)
      try options.setLimit(limit.name, to: limit.name.hasSuffix("timeout") ? "7ms" : "7")
      let changed = numbers(options).indices.filter { numbers(options)[$0] != before[$0] }
      #expect(changed.count == 1 && numbers(options)[changed[0]].hasSuffix(" 7"), "\(limit)")
      #expect(set.insert(changed[0]).inserted, "\(limit)")
    }
    #expect(set.count == before.count)
  }

  @Test("the default that the table says is the one that it has, on a session bus and on a system bus", arguments: [false, true])
  func defaults(system: Bool) throws {
    for limit in LimitName.settable {
      var options = try options(system: system)
      let words = limit.entry.standard.split(separator: ", ").map { String($0.split(separator: " ")[0]) }
      try options.setLimit(limit.name, to: system ? words[words.count - 1] : words[0])
      #expect(numbers(options) == numbers(try self.options(system: system)), "\(limit)")
    }
  }

  @Test("a number goes from 1 to its maximum, a time from 1ms to a day; no other is taken, and what was set stays")
  func bounds() throws {
    for (name, value) in [
      ("fds-per-message-max", "253"), ("fds-per-message-max", "1"), ("connections-max", "1000000"), ("auth-timeout", "1ms"),
      ("auth-timeout", "86400s"), ("auth-timeout", "86400000ms"),
    ] {
      #expect(misuse(name, value) == nil, "\(name) \(value)")
    }
    for value in ["0", "254", "", "+5", "-5", "5s", " 5"] {
      #expect(misuse("fds-per-message-max", value) == "fds-per-message-max=\(value): expected a number from 1 to 253")
    }
    for value in ["0s", "0ms", "86401s", "86400001ms", "", "s", "ms", "5", "+5s", "99999999999999999999s"] {
      #expect(
        misuse("auth-timeout", value)
          == "auth-timeout=\(value): expected a time such as 30s or 500ms, at least 1ms, at most 1 day")
    }
    var options = try options()
    #expect(throws: UsageError.self) { try options.setLimit("connections-max", to: "0") }
    #expect(options.connectionsMax == 128)
  }

  @Test("a misspelt limit is refused with the one that was meant", arguments: ["authTimeout", "auth-timeuot"])
  func misspelt(name: String) {
    #expect(misuse(name, "1") == "\"\(name)\": no such limit, expected auth-timeout")
  }

  @Test(
    "what is no limit, or none that can be set, is refused with all that can be",
    arguments: ["descriptors", "no-such", ""])
  func unknown(name: String) {
    let names = LimitName.allCases.filter { $0 != .descriptors }.map(\.name)
    #expect(names.count == 23)
    #expect(misuse(name, "1") == "\"\(name)\": no such limit, expected one of \(names.joined(separator: ", "))")
  }
}
