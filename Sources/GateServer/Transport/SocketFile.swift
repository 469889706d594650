// The file of a socket that was just bound: its owner and its mode. Whoever can write into the directory, a container perhaps, may put
// something else in its place at any time, so nothing is changed by path.

import CLinux
import Glibc

/// The file of a socket, held open without access to it, and closed by ``applyPermissions(_:)``.
struct SocketFile {
  private let fd: Int32
  private let path: String

  /// Opens what stands at `path`, and throws if that cannot be what was just made: it is no socket, or has another name too.
  init(path: String) throws(ListenFailure) {
    self.path = path
    fd = unsafe clinux_open(path, CLINUX_O_PATH | O_NOFOLLOW)
    if fd < 0 { throw .system(SystemError("cannot listen on \(path)", fd)) }
    var status = stat()
    if unsafe fstat(fd, &status) != 0 || status.st_mode & S_IFMT != S_IFSOCK || status.st_nlink != 1 {
      closeDescriptor(fd)
      throw .refused("another file took the place of the socket at \(path); it is left alone")
    }
  }

  /// Removes what was just bound at `path` and could not be opened, for want of a descriptor perhaps, if it still looks as bind(2) made
  /// it: ours, and without any permission.
  static func removeUnpublished(path: String) {
    if isUnpublished(path: path) { unsafe unlink(path) }
  }

  /// Whether a socket of ours at `path` is as bind made it.
  static func isUnpublished(path: String) -> Bool {
    var status = stat()
    if unsafe lstat(path, &status) != 0 { return false }
    return status.st_mode == S_IFSOCK && status.st_uid == geteuid() && status.st_nlink == 1
  }

  /// Sets owner and mode. A file whose permissions cannot be set does not stay.
  ///
  /// - Returns: Which file it is.
  func applyPermissions(_ options: SocketFileOptions) throws(ListenFailure) -> FileIdentity? {
    defer { closeDescriptor(fd) }
    let identity = FileIdentity(descriptor: fd)
    do throws(ListenFailure) {
      if options.owner != nil || options.group != nil {
        let result = clinux_change_owner(fd, options.owner ?? .max, options.group ?? .max)
        if result < 0 { throw .system(SystemError("cannot set the owner of \(path)", result)) }
      }
      // fchmod(2) refuses a descriptor of this kind; its name below /proc leads to the same file.
      if unsafe chmod("/proc/self/fd/\(fd)", options.mode) != 0 {
        throw .system(SystemError("cannot set the mode of \(path)", errno))
      }
    } catch {
      if FileIdentity(path: path) == identity { unsafe unlink(path) }
      throw error
    }
    return identity
  }
}
