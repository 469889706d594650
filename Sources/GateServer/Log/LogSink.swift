// Where the bytes of events go. Nothing here ever waits.

/// What became of bytes that were to be written.
enum SinkResult: Equatable {
  /// So many were taken, from the first on.
  case taken(Int)
  /// None for now; try again in so many milliseconds.
  case busy(UInt64)
  /// This event never will be taken.
  case refused
  /// Nothing ever will be taken.
  case gone
}

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
