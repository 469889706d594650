// Files that a command reads whole: configurations, manifests, saved messages. `-` is standard input. Logs, which have no bound,
// are read by DecisionLog, a chunk at a time.

import Glibc

/// A file that was read.
struct InputFile {
  /// Its name, as messages call it.
  let name: String
  let bytes: [UInt8]

  /// The largest file that is read: what a document may have, and one byte more, so that the parser says what is wrong.
  static let bytesMax = 16 * 1024 * 1024 + 1

  /// Reads the file at `path`.
  init(_ path: String, expected: String) throws(InputFailure) {
    name = path == "-" ? "standard input" : path
    let fd = path == "-" ? STDIN_FILENO : unsafe open(path, O_RDONLY | O_CLOEXEC)
    if fd < 0 { throw InputFailure(file: name, errno: errno, expected: expected) }
    defer { if path != "-" { close(fd) } }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while bytes.count < InputFile.bytesMax {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(fd, $0.baseAddress!, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw InputFailure(file: name, errno: errno, expected: expected) }
      if count == 0 { break }
      bytes.append(contentsOf: chunk[..<count])
    }
    self.bytes = bytes
  }
}

/// Why a file could not be read.
struct InputFailure: Error, CustomStringConvertible {
  let description: String

  init(file: String, errno number: Int32, expected: String) {
    let reason = unsafe String(cString: strerror(number))
    description = "\(file): error: cannot be read: \(reason), expected \(expected)"
  }
}
