// Elements that come and go: connections, gates, buses, event sources. Each has memory of its own, in which it stays, so that it is changed where
// it is and nothing is counted; and an ID that is never another's. The only place that holds pointers to elements.

/// Elements by an index that is used again, and a generation that tells it from those before it.
@safe
struct Slab<Element: ~Copyable>: ~Copyable {
  /// Which element.
  struct ID: Hashable, Sendable, BitwiseCopyable {
    let index: UInt32
    let generation: UInt32
  }

  @safe
  private struct Slot {
    var element: UnsafeMutablePointer<Element>?
    var generation: UInt32
    /// Whether there is an element.
    var isTaken: Bool { unsafe element != nil }
  }

  private var slots: [Slot] = []
  private var free: [UInt32] = []

  /// How many there are.
  var count: Int { slots.count - free.count }

  /// Indices that may have an element: from 0 to below this.
  var indexEnd: Int { slots.count }

  /// Whether the element is still there.
  @inline(__always)
  func contains(_ id: ID) -> Bool {
    let index = Int(id.index)
    return index < slots.count && slots[index].generation == id.generation && slots[index].isTaken
  }

  /// The element at an index; nil if there is none.
  func id(at index: Int) -> ID? {
    slots[index].isTaken ? ID(index: UInt32(index), generation: slots[index].generation) : nil
  }

  /// An element that is there.
  subscript(id: ID) -> Element {
    @inline(__always) unsafeAddress { unsafe UnsafePointer(place(of: id)) }
    @inline(__always) unsafeMutableAddress { unsafe place(of: id) }
  }

  @inline(__always)
  private func place(of id: ID) -> UnsafeMutablePointer<Element> {
    let slot = slots[Int(id.index)]
    guard slot.generation == id.generation, let element = unsafe slot.element else {
      preconditionFailure("an element that is not there")
    }
    return unsafe element
  }

  /// Puts in what `make` makes of its ID.
  mutating func insert(_ make: (ID) -> Element) -> ID {
    let index = free.popLast() ?? UInt32(slots.count)
    if Int(index) == slots.count { unsafe slots.append(Slot(element: nil, generation: 0)) }
    slots[Int(index)].generation &+= 1
    let id = ID(index: index, generation: slots[Int(index)].generation)
    let memory = UnsafeMutablePointer<Element>.allocate(capacity: 1)
    unsafe memory.initialize(to: make(id))
    unsafe slots[Int(index)].element = unsafe memory
    return id
  }

  /// Takes an element out and ends it.
  mutating func remove(_ id: ID) {
    let element = unsafe place(of: id)
    unsafe slots[Int(id.index)].element = nil
    free.append(id.index)
    unsafe element.deinitialize(count: 1)
    unsafe element.deallocate()
  }

  deinit {
    for slot in slots {
      guard let element = unsafe slot.element else { continue }
      unsafe element.deinitialize(count: 1)
      unsafe element.deallocate()
    }
  }
}
