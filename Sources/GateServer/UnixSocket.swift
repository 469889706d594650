// Unix sockets by path or abstract name: listening and connecting.

import CLinux
import DBusWire
import Glibc

/// Where a Unix socket is.
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

  var path: String? { bytes.first == 0 ? nil : String(decoding: bytes, as: UTF8.self) }
}

/// Which file a path means. The corresponding system call is lstat(2).
private struct FileIdentity: Equatable {
  let device: dev_t
  let inode: ino_t
  let isSocket: Bool

  init?(path: String) {
    var status = stat()
    if unsafe lstat(path, &status) != 0 { return nil }
    (device, inode, isSocket) = (status.st_dev, status.st_ino, status.st_mode & S_IFMT == S_IFSOCK)
  }
}

/// A socket that accepts, and the file it is known by, removed on exit only if it is still ours.
struct ListeningSocket {
  let fd: Int32
  let name: UnixSocketName
  private let file: FileIdentity

  /// Listens on a path. A missing parent directory is made; a socket file that nobody listens on is replaced.
  ///
  /// Throws `refused` where another process listens there.
  init(path: String, mode: mode_t) throws(ListenFailure) {
    name = UnixSocketName(path: path)
    try Self.makeParent(of: path)
    try Self.removeStale(name, path)
    let fd = clinux_socket_unix()
    if fd < 0 { throw .system(SystemError("cannot make a socket", fd)) }
    do throws(ListenFailure) {
      // Nobody may connect between bind and the mode that was asked for.
      let old = umask(0o777)
      let bound = unsafe name.bytes.withUnsafeBufferPointer { unsafe clinux_bind(fd, $0.baseAddress!, $0.count) }
      umask(old)
      if bound < 0 { throw .system(SystemError("cannot bind \(path)", bound, hint: Self.hint(bound, path))) }
      guard let file = FileIdentity(path: path) else { throw .system(SystemError("cannot look at \(path)", errno)) }
      self.file = file
      if unsafe chmod(path, mode) != 0 { throw .system(SystemError("cannot set the mode of \(path)", errno)) }
      let listening = clinux_listen(fd, 4096)
      if listening < 0 { throw .system(SystemError("cannot listen on \(path)", listening)) }
    } catch {
      closeDescriptor(fd)
      throw error
    }
    self.fd = fd
  }

  /// Stops listening and removes the socket's file if it is still the one we made.
  func close() {
    closeDescriptor(fd)
    guard let path = name.path else { return }
    if FileIdentity(path: path) == file { unsafe unlink(path) }
  }

  /// Whether the other end of a connected socket is this one: each client would be the next one's bus, for ever.
  func isOther(end fd: Int32) -> Bool {
    if PeerCredentials(of: fd)?.pid != getpid() { return false }
    var peer = [UInt8](repeating: 0, count: 108)
    let count = unsafe peer.withUnsafeMutableBufferPointer { unsafe clinux_peer_name(fd, $0.baseAddress!) }
    return count >= 0 && peer.prefix(count).elementsEqual(name.bytes)
  }

  private static func hint(_ result: Int32, _ path: String) -> String {
    -result == ENAMETOOLONG ? "a socket's path may have 107 bytes, this one has \(path.utf8.count)" : ""
  }

  private static func makeParent(of path: String) throws(ListenFailure) {
    var at = path.utf8.startIndex
    while let slash = path.utf8[at...].dropFirst().firstIndex(of: UInt8(ascii: "/")) {
      let parent = String(path[..<slash])
      if unsafe mkdir(parent, 0o755) != 0 && errno != EEXIST {
        throw .system(SystemError("cannot make the directory \(parent)", errno))
      }
      at = slash
    }
  }

  /// A socket that refuses connections has lost its process; one that takes them, or that we may not try, is somebody's.
  private static func removeStale(_ name: UnixSocketName, _ path: String) throws(ListenFailure) {
    guard let file = FileIdentity(path: path) else { return }
    if !file.isSocket { throw .refused("\(path) exists and is no socket; it is left alone") }
    let probe = clinux_socket_unix()
    if probe < 0 { throw .system(SystemError("cannot make a socket", probe)) }
    defer { closeDescriptor(probe) }
    let result = unsafe name.bytes.withUnsafeBufferPointer { unsafe clinux_connect(probe, $0.baseAddress!, $0.count) }
    if -result == ECONNREFUSED {
      if unsafe unlink(path) != 0 && errno != ENOENT {
        throw .system(SystemError("cannot remove the stale socket \(path)", errno))
      }
    } else if -result != ENOENT {
      throw .refused("another process listens on \(path); stop it, or choose another path")
    }
  }
}

/// Why a socket could not be listened on.
public enum ListenFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// A system call failed.
  case system(SystemError)
  /// It would have done harm: the path is in use.
  case refused(String)

  /// A sentence.
  public var description: String {
    switch self {
    case .system(let error): error.description
    case .refused(let text): text
    }
  }
}
