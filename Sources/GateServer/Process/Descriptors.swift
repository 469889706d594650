// Closing descriptors that are ours.

import CLinux
import Glibc

/// Closes a descriptor that is ours. The corresponding system call is close(2).
func closeDescriptor(_ fd: Int32) {
  if fd < 0 { return }
  let result = Glibc.close(fd)
  // EBADF means that some descriptor was closed twice, and the next one closed so may be somebody else's connection.
  precondition(result == 0 || errno != EBADF, "closed a descriptor that is not open")
}

/// Closes descriptors that are open; those whose numbers follow each other, as of one message, in one call. The corresponding system
/// calls are close(2) and close_range(2).
func closeAll(_ descriptors: Span<Int32>) {
  if descriptors.count == 1 {
    _ = Glibc.close(descriptors[0])
    return
  }
  var first = 0
  while first < descriptors.count {
    let number = descriptors[first]
    var count = 1
    while first + count < descriptors.count && descriptors[first + count] == number + Int32(count) { count += 1 }
    if count == 1 || clinux_close_range(number, number + Int32(count - 1)) != 0 {
      for offset in 0..<count { _ = Glibc.close(number + Int32(offset)) }
    }
    first += count
  }
}
