// Where one direction of a session stands between two reads.

/// What is left of the message that goes by.
struct MessageStream: BitwiseCopyable {
  /// Bytes that are still to come.
  var remaining = 0
  /// Whether the rest is forwarded or skipped.
  var passes = false
  /// Descriptors of a skipped message that did not come with its header. −1: unknown how many.
  var owedDescriptors = 0
  /// Whether descriptors wait for the rest of the message that they came with.
  var holdsDescriptors = false

  /// Whether what was forwarded so far ends with the end of a message.
  var isAtMessageBoundary: Bool { remaining == 0 || !passes }
}
