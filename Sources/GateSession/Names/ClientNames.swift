// The well-known names of one client: those that the bus said it acquired, those that it asked for, and those that the gate takes from it.

import DBusWire

/// What the client has of names.
struct ClientNames: ~Copyable {
  /// Hashes of the well-known names that the bus said the client acquired.
  private var acquired = HashCounts()
  private var requested: RequestedNames
  private var releases: [NameRelease] = []
  private let seed: SeededHash
  private let namesMax: Int

  init(_ settings: SessionSettings) {
    seed = settings.seed
    namesMax = settings.limits.namesMax
    requested = RequestedNames(total: settings.namesTotal)
  }

  // MARK: Acquired

  /// Whether the client owns the well-known name with this hash, as far as it was told.
  @inline(__always)
  func owns(_ hash: UInt64) -> Bool { !acquired.isEmpty && acquired.contains(hash) }

  /// Whether `name` is one that the client owns.
  @inline(__always)
  func owns(_ name: RawSpan) -> Bool { !acquired.isEmpty && acquired.contains(seed.hash(name)) }

  /// The bus says that the client has got the name.
  mutating func acquire(_ hash: UInt64) { if acquired.count < namesMax { acquired.insert(hash) } }

  /// The bus says that the client has lost the name.
  mutating func lose(_ hash: UInt64) {
    acquired.remove(hash)
    if let place = releases.firstIndex(where: { $0.hash == hash && !$0.isTold }) { releases[place].isTold = true }
  }

  // MARK: Asked for

  /// Whether nothing was asked for.
  var isEmpty: Bool { requested.count == 0 }

  /// Why the client may ask for no further name; nil if it may, or has asked for this one.
  func reasonAgainst(requesting hash: UInt64) -> Verdict.Reason? {
    if requested.contains(hash) { return nil }
    if requested.count >= namesMax { return .names }
    return requested.hasRoom ? nil : .namesTotal
  }

  /// The number that the next RequestName of a name is counted under.
  func number(of hash: UInt64) -> UInt64 { requested.number(of: hash) }

  /// The client asks for a name.
  mutating func request(_ hash: UInt64, _ name: RawSpan, path: RawSpan, wantsReply: Bool) {
    requested.request(hash, name, path: path, wantsAnswer: wantsReply)
  }

  /// The bus answered a RequestName: see ``RequestedNames/noteAnswer(_:isHeld:)``.
  mutating func noteReply(_ number: UInt64, isHeld: Bool?) { requested.noteAnswer(number, isHeld: isHeld) }

  /// The client gives the name back.
  mutating func release(_ hash: UInt64) { requested.remove(hash) }

  // MARK: Taken away

  /// Takes the names away that do not satisfy `stays`; returns those to be released at the bus.
  mutating func takeAway(unless stays: (RequestedNames.Entry) -> Bool) -> [NameRelease] {
    let taken = requested.remove(unless: stays).map { NameRelease(hash: $0.hash, name: $0.name) }
    releases += taken
    return taken
  }

  /// The bus answered a release. Precondition: it was asked for that.
  mutating func takeRelease(_ hash: UInt64) -> NameRelease {
    guard let place = releases.firstIndex(where: { $0.hash == hash }) else {
      preconditionFailure("an answer to a call that nobody made")
    }
    return releases.remove(at: place)
  }
}
