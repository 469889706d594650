// Read buffers, lent to a pipe while it holds bytes. The buffer given back last is lent first, so that a loop in which every
// read is dealt with at once uses a single one, which stays in the cache.

import Glibc

/// Buffers of one size, mapped when needed, kept while there are few.
@safe
struct BufferPool: ~Copyable {
  /// So many unused buffers are kept; further ones go back to the kernel.
  private static let keptMax = 4

  private var unused: InlineArray<4, UnsafeMutableRawPointer?> = unsafe InlineArray(repeating: nil)
  private var unusedCount = 0
  private(set) var lentCount = 0

  /// A buffer of ``ReadBuffer/byteCount``.
  @inline(__always)
  mutating func take() throws(SystemError) -> UnsafeMutableRawPointer {
    lentCount += 1
    if unusedCount > 0 {
      unusedCount -= 1
      if let buffer = unsafe unused[unusedCount] { return unsafe buffer }
    }
    return unsafe try map()
  }

  @inline(never)
  private mutating func map() throws(SystemError) -> UnsafeMutableRawPointer {
    let memory = unsafe mmap(nil, ReadBuffer.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
      lentCount -= 1
      throw SystemError("cannot map a read buffer", errno)
    }
    return unsafe memory
  }

  @inline(__always)
  mutating func give(_ buffer: UnsafeMutableRawPointer) {
    lentCount -= 1
    if unusedCount < Self.keptMax {
      unsafe unused[unusedCount] = unsafe buffer
      unusedCount += 1
    } else {
      unsafe munmap(buffer, ReadBuffer.byteCount)
    }
  }

  deinit {
    for index in 0..<unusedCount { if let buffer = unsafe unused[index] { unsafe munmap(buffer, ReadBuffer.byteCount) } }
  }
}
