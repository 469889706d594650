// Where a Unix socket is, and how it is reached: paths of any length, and abstract names.

import CLinux
import Glibc

/// A path, or a name in the abstract name space.
public struct UnixSocketName: Sendable, Equatable, CustomStringConvertible {
  /// The bytes of the address: a path, or NUL and an abstract name.
  let bytes: [UInt8]

  /// A socket in the file system.
  public init(path: String) { bytes = Array(path.utf8) }
  /// A socket in the file system, by the bytes of its path.
  init(path: [UInt8]) { bytes = path }
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

  /// Bytes that the last part of a longer path may have to be listened on: what "/proc/self/fd/65535/" leaves.
  static let lastPartBytesMax = pathBytesMax - 20

  /// Connects `socket`. Returns 0 or -errno.
  public func connect(_ socket: Int32) -> Int32 {
    if fits { return unsafe bytes.withUnsafeBufferPointer { unsafe clinux_connect(socket, $0.baseAddress!, $0.count) } }
    return withDescriptor(of: bytes[...], CLINUX_O_PATH) { descriptor in
      let short = Array("/proc/self/fd/\(descriptor)".utf8)
      return unsafe short.withUnsafeBufferPointer { unsafe clinux_connect(socket, $0.baseAddress!, $0.count) }
    }
  }

  /// Binds `socket`. Returns 0 or -errno.
  func bind(_ socket: Int32) -> Int32 {
    guard !fits, let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else {
      return unsafe bytes.withUnsafeBufferPointer { unsafe clinux_bind(socket, $0.baseAddress!, $0.count) }
    }
    return withDescriptor(of: bytes[..<max(slash, 1)], CLINUX_O_PATH | O_DIRECTORY) { descriptor in
      let short = Array("/proc/self/fd/\(descriptor)/".utf8) + bytes[(slash + 1)...]
      return unsafe short.withUnsafeBufferPointer { unsafe clinux_bind(socket, $0.baseAddress!, $0.count) }
    }
  }

  private var fits: Bool { bytes.first == 0 || bytes.count <= Self.pathBytesMax }

  /// Calls `body` with a descriptor through which a path that does not fit into a socket address can be named.
  private func withDescriptor(of path: ArraySlice<UInt8>, _ flags: Int32, _ body: (Int32) -> Int32) -> Int32 {
    let terminated = path.map { CChar(bitPattern: $0) } + [0]
    let descriptor = unsafe terminated.withUnsafeBufferPointer { unsafe clinux_open($0.baseAddress!, flags) }
    if descriptor < 0 { return descriptor }
    defer { closeDescriptor(descriptor) }
    return body(descriptor)
  }
}
