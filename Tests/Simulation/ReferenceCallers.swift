// Which calls the client is still to answer, as a naive gate remembers them: each that was forwarded until it is answered or its caller is gone.
// Written from the contract's "Replies"; it shares no code with the session.

/// Calls to the client, by their callers.
package struct ReferenceCallers {
  private struct Caller {
    var name: String
    var serials: [UInt32] = []
    /// How many calls had come when it was last known to be on the bus.
    var seen: Int
  }

  /// Who has calls in flight, in the order in which they were last known to be there.
  private var callers: [Caller] = []
  /// Calls that came while there were many.
  private var attempts = 0
  var perCallerMax = 128, max = 4096

  package var count: Int { callers.reduce(0) { $0 + $1.serials.count } }

  /// Callers that have calls in flight, sorted.
  package var names: [String] { callers.map(\.name).sorted() }

  package func serials(of name: String) -> [UInt32] { callers.first { $0.name == name }?.serials ?? [] }

  private func index(_ name: String) -> Int? { callers.firstIndex { $0.name == name } }

  /// Whether there are so many that callers which are gone are to make room.
  private var isCrowded: Bool { count * 2 >= max }

  /// After so many calls a caller is asked for again.
  private var askedEvery: Int { Swift.max(1, max / 4) }

  /// A call comes in. False: it is one too many. `underWay`: questions that the bus has not answered.
  ///
  /// - Returns: Callers that the gate asks for now.
  mutating func insert(_ name: String, _ serial: UInt32, underWay: Int) -> (fits: Bool, questions: [String]) {
    let wasCrowded = isCrowded
    if wasCrowded {
      attempts += 1
      if let at = index(name) { see(at) }
    }
    let fits = hasRoom(for: name)
    if fits {
      if index(name) == nil { callers.append(Caller(name: name, seen: wasCrowded ? attempts : attempts - askedEvery)) }
      if let at = index(name) { callers[at].serials.append(serial) }
    }
    return (fits, wasCrowded ? questions(atMost: Swift.min(4, 8 - underWay)) : [])
  }

  private func hasRoom(for name: String) -> Bool {
    let own = serials(of: name).count, sharers = callers.count + (own == 0 ? 1 : 0)
    if own >= perCallerMax || count >= max { return false }
    return (count + 1) * 4 <= max * 3 || own < Swift.max(1, max / sharers)
  }

  private mutating func questions(atMost count: Int) -> [String] {
    var names: [String] = []
    while names.count < count, let first = callers.first, attempts - first.seen >= askedEvery {
      see(0)
      // A call that has no SENDER is nobody's.
      if first.name.isEmpty { break }
      names.append(first.name)
    }
    return names
  }

  private mutating func see(_ at: Int) {
    var caller = callers.remove(at: at)
    caller.seen = attempts
    callers.append(caller)
  }

  /// The call is answered; says whether there was one.
  mutating func remove(_ name: String, _ serial: UInt32) -> Bool {
    guard let at = index(name), let place = callers[at].serials.firstIndex(of: serial) else { return false }
    callers[at].serials.remove(at: place)
    if callers[at].serials.isEmpty { callers.remove(at: at) }
    return true
  }

  /// The caller is gone.
  mutating func forget(_ name: String) { callers.removeAll { $0.name == name } }
}
