// Which file a path means, whatever happens to the path meanwhile.

import Glibc

/// A file by device and inode. The corresponding system call is lstat(2).
struct FileIdentity: Equatable {
  let device: dev_t
  let inode: ino_t
  let isSocket: Bool

  init?(path: String) {
    var status = stat()
    if unsafe lstat(path, &status) != 0 { return nil }
    (device, inode, isSocket) = (status.st_dev, status.st_ino, status.st_mode & S_IFMT == S_IFSOCK)
  }
}
