// Where a Unix socket is, and how it is reached: paths of any length, and abstract names.

import CLinux
import Glibc

/// A path, or a name in the abstract name space.
public struct UnixSocketName: Sendable, Equatable, CustomStringConvertible {
  /// The bytes of the address: a path, or NUL and an abstract name.
  let bytes: [UInt8]

  /// A socket in the file system.
  public init(path: String) { bytes = Array(path.utf8) }
  /// A socket in the abstract name space.
  public init(abstract name: [UInt8]) { bytes = [0] + name }

  /// The path, or the abstract name behind an `@`.
  public var description: String {
    bytes.first == 0 ? "@" + String(decoding: bytes.dropFirst(), as: UTF8.self) : String(decoding: bytes, as: UTF8.self)
  }

  /// The path; nil for an abstract name.
  var path: String? { bytes.first == 0 ? nil : String(decoding: bytes, as: UTF8.self) }

  /// Bytes of a path that a socket address holds besides its NUL. Source: unix(7).
  private static let pathBytesMax = 107

  /// Connects `socket`. Returns 0 or -errno.
  func connect(_ socket: Int32) -> Int32 { unsafe withAddress { unsafe clinux_connect(socket, $0.baseAddress!, $0.count) } }

  /// Binds `socket`. Returns 0 or -errno.
  func bind(_ socket: Int32) -> Int32 { unsafe withAddress { unsafe clinux_bind(socket, $0.baseAddress!, $0.count) } }

  /// Calls `body` with bytes that fit into a socket address: where the path does not, it is said as the last part of it below a
  /// descriptor of its directory.
  private func withAddress(_ body: (UnsafeBufferPointer<UInt8>) -> Int32) -> Int32 {
    guard bytes.first != 0, bytes.count > Self.pathBytesMax, let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else {
      return unsafe bytes.withUnsafeBufferPointer(body)
    }
    let directory = unsafe clinux_open(String(decoding: bytes[..<max(slash, 1)], as: UTF8.self), CLINUX_O_PATH | O_DIRECTORY)
    if directory < 0 { return directory }
    defer { closeDescriptor(directory) }
    let short = Array("/proc/self/fd/\(directory)/".utf8) + bytes[(slash + 1)...]
    return unsafe short.withUnsafeBufferPointer(body)
  }
}
