// The table of owners by itself: what it knows, and what it costs.

import GatePolicy
import Testing

@testable import GateSession

@Suite("the table of owners")
struct NameTableTests {
  private func set(_ numbers: Int...) -> NameSet {
    var set = NameSet()
    for number in numbers { set.insert(number) }
    return set
  }

  @Test("a name that changes its owner a million times leaves nothing behind")
  func manyOwners() {
    var table = NameTable(limit: 16)
    for i in 1...1_000_000 as ClosedRange<UInt64> {
      table.setOwner(i, of: 7, matchedBy: set(0))
      if i > 1 && !table.remove(i - 1) { Issue.record("an owner was not known") }
    }
    #expect(table.ownerCount == 1 && table.nameCount == 1 && !table.isIncomplete)
    let wasKnown = table.remove(1_000_000)
    #expect(wasKnown)
    #expect(table.ownerCount == 0 && table.nameCount == 0)
  }

  @Test("one owner that takes and leaves twenty thousand names leaves a bounded number behind")
  func manyNames() {
    var table = NameTable(limit: 4096)
    for i in 1...20_000 as ClosedRange<UInt64> {
      table.setOwner(5, of: i, matchedBy: set(0))
      table.release(i)
    }
    #expect(table.nameCount == 1024 && table.ownerCount == 1 && !table.isIncomplete)
    #expect(table.peer(5).owned.contains(0) && table.peer(5).everOwned.contains(0))
    _ = table.remove(5)
    #expect(table.nameCount == 0)
  }

  @Test("a pattern stands as long as one of its names does")
  func counts() {
    var table = NameTable(limit: 16)
    table.setOwner(5, of: 1, matchedBy: set(0, 70))
    table.setOwner(5, of: 2, matchedBy: set(0))
    table.setOwner(6, of: 1, matchedBy: set(0, 70))
    #expect(table.peer(5).owned == set(0) && table.peer(5).everOwned == set(0, 70))
    table.setOwner(6, of: 2, matchedBy: set(0))
    #expect(table.peer(5).owned == set() && table.peer(5).everOwned == set(0, 70))
    #expect(table.peer(6).owned == set(0, 70))
  }

  @Test("at its limit it says that it does not know everything, and what it knows stays", arguments: [1, 2, 100])
  func limit(limit: Int) {
    var table = NameTable(limit: limit)
    for i in 1...limit { table.setOwner(UInt64(i), of: UInt64(1000 + i), matchedBy: set(0)) }
    #expect(!table.isIncomplete && table.ownerCount == limit)
    table.setOwner(500, of: 5000, matchedBy: set(0))
    #expect(table.isIncomplete && table.ownerCount == limit)
    #expect(table.peer(500).everOwned == set() && table.peer(1).everOwned == set(0))
  }

  @Test("callers have a limit of their own, and take no owner's place")
  func visible() {
    var table = NameTable(limit: 2)
    let news = [table.markVisible(1), table.markVisible(2), table.markVisible(3), table.markVisible(1)]
    #expect(news == [true, true, false, false])
    #expect(table.isVisible(1) && !table.isVisible(3))
    table.setOwner(10, of: 100, matchedBy: set(0))
    table.setOwner(11, of: 101, matchedBy: set(0))
    #expect(!table.isIncomplete)
    let afterwards = [table.remove(1), table.markVisible(3), table.remove(99)]
    #expect(afterwards == [true, true, false])
  }
}

@Suite("names: more owners than owners-max")
struct OwnersMaxTests {
  @Test("who is not known is let in nowhere, and stopped by every rule that denies a name", arguments: [true, false])
  func overflow(isStart: Bool) throws {
    let owners = ["org.bad.a": ":1.5", "org.bad.b": ":1.6", "org.bad.c": ":1.7"]
    let bus = try NamedBus(
      [rule(.outgoing), rule(.outgoing, deny: true, name: "org.bad.*")], owners: isStart ? owners : [:]
    ) { $0.limits.ownersMax = 2 }
    #expect(try bus.call(":1.99") == (isStart ? "LimitsExceeded" : "passes"))
    if !isStart { for (name, owner) in owners.sorted(by: { $0.key < $1.key }) { bus.change(name, to: owner) } }
    for unique in [":1.5", ":1.6", ":1.7", ":1.99"] { #expect(try bus.call(unique) == "LimitsExceeded", "\(unique)") }
    #expect(bus.rig.decisions.last?.verdict.reason == .owners)
    #expect(try bus.call("org.good") == "passes")
    #expect(try bus.call("org.bad.z") == "AccessDenied")
  }

  @Test("an allow rule opens those that are known")
  func allow() throws {
    let bus = try NamedBus(
      [rule(.outgoing, name: "org.good.*")], owners: ["org.good.a": ":1.5", "org.good.b": ":1.6", "org.good.c": ":1.7"]
    ) { $0.limits.ownersMax = 2 }
    #expect(try bus.call(":1.5") == "passes")
    #expect(try bus.call(":1.7") == "AccessDenied")
    #expect(try bus.call("org.good.c") == "passes")
  }
}
