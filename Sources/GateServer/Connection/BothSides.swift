// What there is one of for each side of a connection.

import GateSession

/// Two of a kind: the client's, and the bus's. They have memory of their own: what is read of a struct that holds two is copied to the stack first
/// (compiler 6.3.1), 176 bytes for each look at a pipe.
@safe
struct BothSides<Part: ~Copyable>: ~Copyable {
  private let parts = UnsafeMutablePointer<Part>.allocate(capacity: 2)

  init(_ make: () -> Part) {
    unsafe parts.initialize(to: make())
    unsafe (parts + 1).initialize(to: make())
  }

  deinit {
    unsafe parts.deinitialize(count: 2)
    unsafe parts.deallocate()
  }

  /// There are two sides, 0 and 1, and two parts.
  subscript(side: Side) -> Part {
    @inline(__always) unsafeAddress { unsafe UnsafePointer(parts + Int(side.rawValue)) }
    @inline(__always) unsafeMutableAddress { unsafe parts + Int(side.rawValue) }
  }
}
