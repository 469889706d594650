// Users and groups by name, out of /etc/passwd and /etc/group: a static executable has no name service switch.

import CLinux
import Glibc

/// Names of users and groups.
public enum UserDatabase {
  /// The user that `text` means: a number, or a name in /etc/passwd.
  public static func user(_ text: String) -> UInt32? { number(text) ?? find(text, in: "/etc/passwd") }

  /// The group that `text` means: a number, or a name in /etc/group.
  public static func group(_ text: String) -> UInt32? { number(text) ?? find(text, in: "/etc/group") }

  /// 2³²−1 is nobody's number: it says "no change" and "unknown".
  private static func number(_ text: String) -> UInt32? {
    guard let number = UInt32(text), number != .max, text.utf8.first != UInt8(ascii: "+") else { return nil }
    return number
  }

  /// Both files have the name first and the number third, between colons.
  private static func find(_ name: String, in file: String) -> UInt32? {
    for line in contents(of: file).split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
      if fields.count > 2 && fields[0].elementsEqual(name.utf8) { return number(String(decoding: fields[2], as: UTF8.self)) }
    }
    return nil
  }

  private static func contents(of file: String) -> [UInt8] {
    let fd = unsafe clinux_open(file, O_RDONLY)
    if fd < 0 { return [] }
    defer { closeDescriptor(fd) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while text.count < 16 * 1024 * 1024 {
      let n = unsafe chunk.withUnsafeMutableBytes { unsafe clinux_read(fd, $0.baseAddress!, $0.count) }
      if n <= 0 { break }
      text.append(contentsOf: chunk[..<n])
    }
    return text
  }
}
