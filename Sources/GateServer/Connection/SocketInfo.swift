// What the kernel tells of a socket in its file below /proc/self/fdinfo. Source: proc_pid_fdinfo(5). Read by SplicePool.

import Glibc

/// The contents of a Unix socket's fdinfo.
enum SocketInfo {
  /// Bytes of the file that are read: it has some 80.
  private static let byteCountMax = 512
  private static let key: StaticString = "scm_fds:"

  /// Whether descriptors wait in the socket whose fdinfo `file` is open on; nil if the kernel does not say so (before Linux 5.8).
  static func descriptorsWait(file: Int32) -> Bool? {
    unsafe withUnsafeTemporaryAllocation(byteCount: byteCountMax, alignment: 1) { buffer in
      let count = unsafe pread(file, buffer.baseAddress!, byteCountMax, 0)
      if count <= 0 { return nil }
      return unsafe descriptorsWait(text: Span(_unsafeBytes: buffer[..<count]))
    }
  }

  /// Whether the line `scm_fds` of `text` has another number than 0; nil if there is no such line.
  static func descriptorsWait(text: Span<UInt8>) -> Bool? {
    // From the end, since the kernel writes that line last.
    var end = text.count
    while end > 0 {
      var start = end - 1
      while start > 0 && text[start - 1] != UInt8(ascii: "\n") { start -= 1 }
      if hasKey(text, start..<end) { return isPositive(text, start + key.utf8CodeUnitCount..<end) }
      end = start
    }
    return nil
  }

  @inline(__always)
  private static func hasKey(_ text: Span<UInt8>, _ line: Range<Int>) -> Bool {
    if line.count < key.utf8CodeUnitCount { return false }
    for index in 0..<key.utf8CodeUnitCount {
      let wanted = unsafe key.utf8Start[index]  // below the count, as just seen
      if text[line.lowerBound + index] != wanted { return false }
    }
    return true
  }

  /// Whether the decimal number at `place`, behind blanks and up to the end of the line, is more than 0; nil if there is none.
  @inline(__always)
  private static func isPositive(_ text: Span<UInt8>, _ place: Range<Int>) -> Bool? {
    var at = place.lowerBound
    while at < place.upperBound, text[at] == UInt8(ascii: " ") || text[at] == UInt8(ascii: "\t") { at += 1 }
    var (isNumber, isPositive) = (false, false)
    while at < place.upperBound, text[at] != UInt8(ascii: "\n") {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[at]) else { return nil }
      isNumber = true
      if text[at] != UInt8(ascii: "0") { isPositive = true }
      at += 1
    }
    return isNumber ? isPositive : nil
  }
}
