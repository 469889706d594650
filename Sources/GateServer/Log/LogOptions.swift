// How a log is to be kept.

/// Format, destination and bounds of a log.
public struct LogOptions: Sendable {
  /// How events are written.
  public var format = LogFormat.text
  /// Where `text` and `json` go: a descriptor that stays the caller's.
  public var descriptor: Int32 = 2
  /// Where `journal` goes: the path of a datagram socket.
  public var journalSocket = "/run/systemd/journal/socket"
  /// Decisions a second that a gate may write on average; and as many events about its connections. Untuned: what a person or a
  /// disk stands.
  public var eventsPerSecond = 50
  /// How many seconds' worth may come at once.
  static let burstSeconds = 4
  /// For how long repetitions of an event are counted instead of written, in milliseconds; 0: each is written.
  public var coalescingWindow: UInt64 = 5_000

  /// Which of several programs this is: the key `instance` of every event, the label `gate_instance` of every gate's metrics. Nil: there are
  /// no such key and no such label.
  public var instance: InstanceName?

  /// Text on standard error.
  public init() {}
}
