// What is logged, how and where to, and whether the rules are enforced: the flags `--log…`, `--instance` and `--mode`.

import GateServer
import GateSession

/// The flags about the log.
struct LogFlags {
  private(set) var options = LogOptions()
  private(set) var logging = SessionSettings.Logging.denied
  private(set) var mode = SessionSettings.Mode.enforce
  private var hasTarget = false

  /// Looks at the flags together.
  func check() throws(UsageError) {
    if hasTarget && options.format != .journal { throw UsageError("--log-target: expected --log-format journal with it") }
  }

  // MARK: What a flag says; false: its word was not understood

  mutating func set(logging word: String) -> Bool {
    switch word {
    case "denied": logging = .denied
    case "all": logging = .everything
    case "none": logging = .nothing
    default: return false
    }
    return true
  }

  mutating func set(format word: String) -> Bool {
    guard let format = LogFormat(rawValue: word) else { return false }
    options.format = format
    return true
  }

  mutating func set(rate text: String) -> Bool {
    guard let rate: Int = plainNumber(text), (1...1_000_000).contains(rate) else { return false }
    options.eventsPerSecond = rate
    return true
  }

  mutating func set(window text: String) -> Bool {
    guard let seconds: UInt64 = plainNumber(text), seconds <= 3600 else { return false }
    options.coalescingWindow = seconds * 1000
    return true
  }

  mutating func set(target path: String) {
    options.journalSocket = path
    hasTarget = true
  }

  mutating func set(instance text: String) -> Bool {
    options.instance = InstanceName(text)
    return options.instance != nil
  }

  mutating func set(mode word: String) -> Bool {
    switch word {
    case "enforce": mode = .enforce
    case "audit": mode = .audit
    default: return false
    }
    return true
  }
}
