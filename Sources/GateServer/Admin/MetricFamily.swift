// The metrics there are, as data: name, type, unit, help. What their values are stands in Server+Metrics.swift.

/// A metric and what it means.
public struct MetricFamily: Sendable {
  /// What kind of number it is.
  public enum Kind: String, Sendable {
    /// Only ever grows.
    case counter
    /// Goes up and down.
    case gauge
    /// Durations by size.
    case histogram
    /// Always 1: its labels carry the information.
    case info
  }

  /// Without the suffixes that counters and infos have.
  let base: String
  /// What kind of number it is.
  public let kind: Kind
  /// Its unit, which the name ends with; nil if it has none.
  let unit: String?
  /// One sentence.
  public let help: String

  private init(_ base: String, _ kind: Kind, unit: String? = nil, _ help: String) {
    self.base = base
    self.kind = kind
    self.unit = unit
    self.help = help
  }

  /// The name under which its values appear.
  public var name: String { base + suffix }

  /// The suffix that its values have behind the name of the metric.
  var suffix: String {
    switch kind {
    case .counter: "_total"
    case .info: "_info"
    case .gauge, .histogram: ""
    }
  }

  // MARK: All of them

  /// Every metric, in the order in which they are told.
  public static let all: [MetricFamily] = [
    build, startTime, messages, messageBytes, denials, listening, connections, accepted, closed, unauthenticated, helloPending,
    pendingReplies,
    limitHits, busConnects, reloads, logLinesLost, buffersLent, wakeups,
  ]

  static let build = MetricFamily("busgate_build", .info, "The version that runs.")
  static let startTime = MetricFamily(
    "busgate_start_time_seconds", .gauge, unit: "seconds", "When the gate was started, in seconds since 1970.")
  static let messages = MetricFamily(
    "busgate_messages", .counter,
    "Messages by direction, type and verdict: allow, deny (the sender is told if it asked), drop, audit (forwarded, would be denied)."
  )
  static let messageBytes = MetricFamily(
    "busgate_message_bytes", .counter, unit: "bytes", "Bytes of messages that were forwarded, or skipped.")
  static let denials = MetricFamily(
    "busgate_denials", .counter, "Messages that did not pass, by the reason that the decision log gives.")
  static let listening = MetricFamily("busgate_listening", .gauge, "Whether the gate's socket accepts clients.")
  static let connections = MetricFamily("busgate_connections", .gauge, "Connections of clients.")
  static let accepted = MetricFamily("busgate_connections_accepted", .counter, "Connections that were accepted.")
  static let closed = MetricFamily("busgate_connections_closed", .counter, "Connections that ended, by what ended them.")
  static let unauthenticated = MetricFamily(
    "busgate_connections_unauthenticated", .gauge, "Connections of clients that have not authenticated, or not said Hello, yet.")
  static let helloPending = MetricFamily(
    "busgate_connections_hello_pending", .gauge, "Connections to the bus that have no unique name yet.")
  static let pendingReplies = MetricFamily("busgate_replies_pending", .gauge, "Calls that were forwarded and not answered yet.")
  static let limitHits = MetricFamily(
    "busgate_limit_hits", .counter, "How often a limit was hit; descriptors: the process may open no more.")
  static let busConnects = MetricFamily("busgate_bus_connects", .counter, "Attempts to connect to the bus.")
  static let reloads = MetricFamily("busgate_reloads", .counter, "Reloads of the configuration; a refused one changed nothing.")
  static let logLinesLost = MetricFamily("busgate_log_lines_lost", .counter, "Lines of the log that its reader was too slow for.")
  static let buffersLent = MetricFamily(
    "busgate_buffers_lent", .gauge, "Read buffers of 256 KiB that hold bytes on their way to a slow receiver.")
  static let wakeups = MetricFamily(
    "busgate_wakeup_duration_seconds", .histogram, unit: "seconds",
    "From the moment the gate learns that something is ready until all of that is dealt with: what the gate adds to a message.")
}
