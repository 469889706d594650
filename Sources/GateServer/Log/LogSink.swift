// Where the bytes of events go. Nothing here ever waits.

/// A reader of the log.
protocol LogSink {
  /// Whether several events may be given at once, and an event in parts.
  var isStream: Bool { get }

  /// Writes as much of `bytes` as is taken without waiting: of a stream whole events, if they are not longer than
  /// ``LogQueue/chunkBytesMax``; else one event.
  func write(_ bytes: [UInt8]) -> SinkResult

  /// Gives back what the sink has opened.
  func close()
}
