// `--limit NAME=VALUE`: limits by their names, in every personality.

import GateServer

/// The flag that sets a limit.
enum LimitFlag {
  /// What `--limit NAME=VALUE` or `--limit=NAME=VALUE` asks for, to be applied to each gate; nil if `flag` is another one.
  static func take(_ flag: String, next: () -> String?) throws(UsageError) -> ((inout GateOptions) -> Void)? {
    if flag != "--limit" { return try takeJoined(flag) }
    guard let value = next(), !value.isEmpty else { throw UsageError("--limit: no value, expected NAME=VALUE") }
    return try parse(value)
  }

  /// What `--limit=NAME=VALUE` asks for; nil if `flag` is another one.
  static func takeJoined(_ flag: String) throws(UsageError) -> ((inout GateOptions) -> Void)? {
    flag.hasPrefix("--limit=") ? try parse(String(flag.dropFirst("--limit=".count))) : nil
  }

  /// What `text` ("NAME=VALUE") asks for, to be applied to each gate.
  static func parse(_ text: String) throws(UsageError) -> (inout GateOptions) -> Void {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { throw UsageError("--limit \"\(text)\": expected NAME=VALUE") }
    do throws(UsageError) { return try GateOptions.limit(parts[0], to: parts[1]) } catch { throw UsageError("--limit \(error)") }
  }
}
