// Bytes that the gate itself says to one peer (handshake lines, error replies, its own Hello), in order, bounded. They leave only
// between two messages of the stream they join.

import DBusWire

/// A bounded queue of bytes. Holds no memory while it is empty.
///
/// Source: ours.
@safe
public struct LocalOutput: ~Copyable {
  private var storage = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var head = 0
  private var tail = 0
  private let limit: Int
  /// Bytes at the front that already have their place among other output and must leave there.
  private var committed = 0

  /// Where the last bytes that were appended begin.
  private var last = 0

  /// Memory asked for at first; it doubles up to the limit. Most often it is given back in the same wake-up.
  private static let firstBytes = 16_384

  init(limit: Int) { self.limit = max(limit, 2 * LocalReply.byteCountMax) }

  deinit { unsafe storage.deallocate() }

  /// Bytes that wait.
  public var count: Int { tail - head }
  /// Whether nothing waits.
  public var isEmpty: Bool { tail == head }
  /// Whether another answer, of whatever length an answer may have, still fits.
  var hasRoom: Bool { tail - head + LocalReply.byteCountMax <= limit }
  /// Bytes that have no place among other output yet.
  public var uncommittedCount: Int { tail - head - committed }

  /// Gives all waiting bytes their place; returns how many had none.
  mutating func commit() -> Int {
    let n = uncommittedCount
    committed += n
    return n
  }

  /// Calls `body` with the waiting bytes, the oldest first.
  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    unsafe body(UnsafeRawBufferPointer(rebasing: storage[head..<tail]))
  }

  /// Forgets the first `n` bytes: they have left.
  public mutating func removeFirst(_ n: Int) {
    precondition(n <= count, "more bytes left than there were")
    head += n
    committed = max(0, committed - n)
    if head == tail {
      head = 0
      tail = 0
      release()
    }
  }

  mutating func append(_ bytes: RawSpan) {
    let n = bytes.byteCount
    reserve(n)
    unsafe bytes.withUnsafeBytes { unsafe UnsafeMutableRawBufferPointer(rebasing: storage[tail..<tail + n]).copyMemory(from: $0) }
    tail += n
  }

  /// Lets `body` write up to `capacity` bytes at the end; it returns how many it wrote.
  mutating func append(capacity: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) {
    reserve(capacity)
    let n = unsafe body(UnsafeMutableRawBufferPointer(rebasing: storage[tail..<tail + capacity]))
    precondition(n <= capacity, "wrote past the room that was asked for")
    last = tail
    tail += n
  }

  /// The message that was written last and has not left.
  var lastReply: [UInt8] { unsafe Array(storage[last..<tail]) }

  /// Repeats an error with other numbers.
  @inline(__always)
  mutating func append(_ answer: RawSpan, order: ByteOrder, serial: UInt32, replySerial: UInt32) {
    precondition(answer.byteCount >= LocalReply.replySerialOffset + 4, "an answer is shorter than a header")
    append(answer)
    let start = tail - answer.byteCount
    unsafe storage.storeBytes(of: order.number(serial), toByteOffset: start + LocalReply.serialOffset, as: UInt32.self)
    unsafe storage.storeBytes(of: order.number(replySerial), toByteOffset: start + LocalReply.replySerialOffset, as: UInt32.self)
  }

  private mutating func reserve(_ n: Int) {
    let capacity = unsafe storage.count
    if tail + n <= capacity { return }
    var size = max(capacity, Self.firstBytes)
    while size < count + n { size *= 2 }
    let bigger = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
    unsafe bigger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[head..<tail]))
    unsafe storage.deallocate()
    unsafe storage = bigger
    tail -= head
    last = 0
    head = 0
  }

  private mutating func release() {
    unsafe storage.deallocate()
    unsafe storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }
}
