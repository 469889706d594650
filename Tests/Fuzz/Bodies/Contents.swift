// Files of corpora.

import Glibc

/// A file's bytes, nil if it cannot be read.
package func contents(of path: String) -> [UInt8]? {
  guard let file = fopen(path, "rb") else { return nil }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65536)
  while true {
    let n = fread(&chunk, 1, chunk.count, file)
    if n == 0 { return ferror(file) == 0 ? bytes : nil }
    bytes += chunk[..<n]
  }
}
