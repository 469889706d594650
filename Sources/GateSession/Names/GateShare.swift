// What one client has of something that its gate has only so many of: it counts there as long as the client has it.

/// A session's part of a ``GateCount``.
struct GateShare: ~Copyable {
  private let total: GateCount?
  private var taken = 0

  /// Nothing yet of `total`; nil: nobody counts.
  init(of total: GateCount?) { self.total = total }

  deinit { total?.add(-taken) }

  /// Whether the gate has room for one more.
  var hasRoom: Bool { total?.hasRoom ?? true }

  /// The client has `count` from now on.
  mutating func set(_ count: Int) {
    if count == taken { return }
    total?.add(count - taken)
    taken = count
  }
}
