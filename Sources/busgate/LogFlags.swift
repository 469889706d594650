// What is logged, how and where to, and whether the rules are enforced: the flags `--log…` and `--mode`.

import GateServer
import GateSession

/// The flags about the log.
struct LogFlags {
  private(set) var options = LogOptions()
  private(set) var logging = SessionSettings.Logging.denied
  private(set) var mode = SessionSettings.Mode.enforce
  private var hasTarget = false

  /// What the value of `flag` is to be.
  static func expected(_ flag: String) -> String {
    switch flag {
    case "--log": "denied, all or none"
    case "--log-format": "text, json or journal"
    case "--log-rate": "events a second, from 1 to 1000000"
    case "--log-fold": "seconds from 0 (repetitions are written one by one) to 3600"
    case "--log-target": "the path of the journal's socket"
    default: "enforce or audit"
    }
  }

  mutating func take(_ flag: String, _ value: String) throws(UsageError) {
    let isUnderstood =
      switch flag {
      case "--log": set(logging: value)
      case "--log-format": set(format: value)
      case "--log-rate": set(rate: value)
      case "--log-fold": set(window: value)
      case "--log-target": set(target: value)
      default: set(mode: value)
      }
    if !isUnderstood { throw UsageError("\(flag) \"\(value)\": expected \(Self.expected(flag))") }
  }

  /// Looks at the flags together.
  func check() throws(UsageError) {
    if hasTarget && options.format != .journal { throw UsageError("--log-target: expected --log-format journal with it") }
  }

  private mutating func set(logging word: String) -> Bool {
    switch word {
    case "denied": logging = .denied
    case "all": logging = .everything
    case "none": logging = .nothing
    default: return false
    }
    return true
  }

  private mutating func set(format word: String) -> Bool {
    guard let format = LogFormat(rawValue: word) else { return false }
    options.format = format
    return true
  }

  private mutating func set(rate text: String) -> Bool {
    guard let rate: Int = plainNumber(text), (1...1_000_000).contains(rate) else { return false }
    options.eventsPerSecond = rate
    return true
  }

  private mutating func set(window text: String) -> Bool {
    guard let seconds: UInt64 = plainNumber(text), seconds <= 3600 else { return false }
    options.coalescingWindow = seconds * 1000
    return true
  }

  private mutating func set(target path: String) -> Bool {
    options.journalSocket = path
    hasTarget = true
    return true
  }

  private mutating func set(mode word: String) -> Bool {
    switch word {
    case "enforce": mode = .enforce
    case "audit": mode = .audit
    default: return false
    }
    return true
  }
}
