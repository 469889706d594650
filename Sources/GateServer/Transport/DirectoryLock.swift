// Gates that start at once on one path: of two that find a socket left behind there, each would remove what the other has just put in its place. No
// system call replaces a file if it still is the one that was looked at, so they do it one after the other.

import CLinux
import Glibc

/// Keeps other gates from replacing sockets in a directory, for as long as it is held. See flock(2).
struct DirectoryLock {
  private let fd: Int32

  /// Locks the directory that `path` is in. Nil where it can't be had: then it is done without.
  ///
  /// - Parameter yields: Whether to throw `halfMade` if somebody has it, who is another gate, or a container that sees the directory: it is waited for,
  ///   but not for ever.
  init?(of path: String, yields: Bool) throws(ListenFailure) {
    fd = unsafe clinux_open(Self.directory(of: path), O_RDONLY | O_DIRECTORY)
    if fd < 0 { return nil }
    if flock(fd, LOCK_EX | LOCK_NB) == 0 { return }
    let isTaken = errno == EWOULDBLOCK
    closeDescriptor(fd)
    if isTaken && yields { throw .halfMade(path) }
    return nil
  }

  func release() { closeDescriptor(fd) }

  private static func directory(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.utf8.startIndex ? "/" : String(path[..<slash])
  }
}
