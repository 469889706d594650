// Configuration lines on standard input, one document a line, as SoftwareContainer sends them over time.

/// Lines from a descriptor that may be a pipe, a terminal, a file or nothing.
struct StandardInput {
  let fd: Int32
  /// Called with each line, without its end, and its number; the last one counts without an end too.
  let onLine: (inout Server, [UInt8], Int) -> Void
  var line: [UInt8] = []
  var lineNumber = 1
  /// The rest of a line that is too long is passed over.
  var isPassingOver = false
  /// Bytes that a line may have: what a document may have.
  static let lineBytesMax = 16 * 1024 * 1024
}
