// The client's match rules: how often each was added, and where it counts. The bus counts one connection's rules without regard to who
// added them, so that a rule which the gate has there too must never be removed once too often: see Mediator+MatchRules.
//
// Rules are remembered by the hash of their canonical text. There are hundreds at most, and looking one up reads their hashes in order.

import DBusWire

/// What the client has of match rules.
struct ClientMatches: ~Copyable {
  /// A rule that the client has.
  struct Entry {
    /// Of the rule's canonical text.
    let hash: UInt64
    /// Another one for every entry that there ever was: an answer that comes for a rule which was removed meanwhile, and perhaps added
    /// again, counts for no later entry.
    let number: UInt64
    /// The rule as the client wrote it, if it may ask for changes of owners.
    let text: [UInt8]?
    /// AddMatches that were forwarded and asked for an answer, but for those that the bus refused and those that were removed again.
    var awaited = 0
    /// Of those forwarded, how many have no answer yet, removed again or not.
    var unanswered = 0
    /// AddMatches that were forwarded and asked for no answer, but for those that were removed again: whether the bus took them nobody knows.
    var silent = 0
    /// AddMatches that the gate answered, since it has the rule itself.
    var answered = 0

    /// What the bus has from the client, as far as is known.
    var forwarded: Int { awaited + silent }
    /// Whether the bus has the rule from the client at least once, even if it refuses whatever it can still refuse.
    var isCertain: Bool { awaited > unanswered }
    var count: Int { forwarded + answered }
  }

  private(set) var entries: [Entry] = []
  private var nextNumber: UInt64 = 1
  /// Rules that the client has, each as often as it added it.
  private(set) var count = 0 { didSet { share.set(count) } }
  private var share: GateShare

  /// No rules; those that will be there count in `total`.
  init(total: GateCount?) { share = GateShare(of: total) }

  /// Whether the gate has room for one more.
  var hasRoom: Bool { share.hasRoom }

  /// What the client has of a rule; nil: nothing.
  func entry(of hash: UInt64) -> Entry? { place(of: hash).map { entries[$0] } }

  private func place(of hash: UInt64) -> Int? { entries.firstIndex { $0.hash == hash } }

  private func place(ofNumber number: UInt64) -> Int? { entries.firstIndex { $0.number == number } }

  /// The number that the next AddMatch of a rule is counted under.
  func number(of hash: UInt64) -> UInt64 { place(of: hash).map { entries[$0].number } ?? nextNumber }

  /// Counts an AddMatch. `text` is kept if the rule is new.
  ///
  /// - Returns: Whether it is new.
  mutating func add(_ hash: UInt64, text: @autoclosure () -> [UInt8]?, _ change: (inout Entry) -> Void) -> Bool {
    count += 1
    if let place = place(of: hash) {
      change(&entries[place])
      return false
    }
    var entry = Entry(hash: hash, number: nextNumber, text: text())
    nextNumber += 1
    change(&entry)
    entries.append(entry)
    return true
  }

  /// The bus answered an AddMatch that was counted under `number`.
  ///
  /// - Returns: The rule's hash, if the client has it no more.
  mutating func noteAnswer(_ number: UInt64, succeeded: Bool) -> UInt64? {
    guard let place = place(ofNumber: number) else { return nil }
    entries[place].unanswered -= 1
    return succeeded ? nil : removeForwarded(entries[place].hash)
  }

  /// One of those that were forwarded is gone, if there is one: those first of which more is known.
  ///
  /// - Returns: The rule's hash, if the client has it no more.
  mutating func removeForwarded(_ hash: UInt64) -> UInt64? {
    guard let place = place(of: hash) else { return nil }
    if entries[place].awaited > 0 {
      entries[place].awaited -= 1
    } else if entries[place].silent > 0 {
      entries[place].silent -= 1
    } else {
      return nil
    }
    return dropIfGone(place)
  }

  /// One of those that the gate answered is gone.
  ///
  /// - Returns: The rule's hash, if the client has it no more.
  mutating func removeAnswered(_ hash: UInt64) -> UInt64? {
    guard let place = place(of: hash) else { return nil }
    entries[place].answered -= 1
    return dropIfGone(place)
  }

  private mutating func dropIfGone(_ place: Int) -> UInt64? {
    count -= 1
    if entries[place].count > 0 { return nil }
    return entries.remove(at: place).hash
  }
}
