// What the gate itself has to say to either peer.

/// The gate's own messages, to both sides.
struct LocalMessages: ~Copyable {
  var toClient: LocalOutput
  var toBus: LocalOutput

  init(limit: Int) {
    toClient = LocalOutput(limit: limit)
    toBus = LocalOutput(limit: limit)
  }

  /// Whether messages from `side` may be dealt with as far as answers to them still find room.
  @inline(__always)
  func hasRoom(to side: Side) -> Bool {
    switch side {
    case .client: toClient.hasRoom
    case .bus: toBus.hasRoom
    }
  }

  /// Bytes that wait for `side`.
  func count(to side: Side) -> Int {
    switch side {
    case .client: toClient.count
    case .bus: toBus.count
    }
  }
}
