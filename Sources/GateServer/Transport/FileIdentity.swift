// Which file it is, whatever happens to its path meanwhile.

import Glibc

/// A file by device and inode.
struct FileIdentity: Equatable {
  let device: dev_t
  let inode: ino_t
  let isSocket: Bool

  /// What a path names, not followed if it is a link. The corresponding system call is lstat(2).
  init?(path: String) {
    var status = stat()
    if unsafe lstat(path, &status) != 0 { return nil }
    self.init(status)
  }

  /// What a descriptor is open on. The corresponding system call is fstat(2).
  init?(descriptor: Int32) {
    var status = stat()
    if unsafe fstat(descriptor, &status) != 0 { return nil }
    self.init(status)
  }

  private init(_ status: stat) {
    (device, inode, isSocket) = (status.st_dev, status.st_ino, status.st_mode & S_IFMT == S_IFSOCK)
  }
}
