// What became of bytes that a sink was given.

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
