import Glibc

/// An empty directory that goes with everything in it.
final class TemporaryDirectory {
  let path: String

  init() {
    var template = Array("/tmp/busgate-test.XXXXXX".utf8CString)
    precondition(mkdtemp(&template) != nil, "no directory")
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    if let directory = opendir(path) {
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
        }
        if name != "." && name != ".." { unlink("\(path)/\(name)") }
      }
      closedir(directory)
    }
    rmdir(path)
  }
}
