// Elements that come and go, against a dictionary that does the same.

import Testing

@testable import GateServer

@Suite("elements by ID and generation")
struct SlabTests {
  /// How many elements have ended, and which.
  private final class Ends {
    var numbers: [Int] = []
  }

  /// An element that tells when it ends.
  private struct Element: ~Copyable {
    var number: Int
    let ends: Ends
    deinit { ends.numbers.append(number) }
  }

  private typealias ID = Slab<Element>.ID

  @Test("elements come and go in any order, and an ID is never another's", arguments: 1...20 as ClosedRange<UInt64>)
  func model(seed: UInt64) throws {
    var (random, ends) = (SeededGenerator(state: seed), Ends())
    var slab = Slab<Element>()
    var model: [ID: Int] = [:]
    var (gone, ever, next) = ([ID](), Set<ID>(), 0)
    // More come than go at first, then more go than come: indices are used again in each order that a stack of them can have.
    for step in 0..<2000 {
      let comes = model.isEmpty || Int.random(in: 0..<100, using: &random) < (step % 400 < 200 ? 65 : 35)
      // Sorted, as a dictionary's own order is another one in each process.
      let known = model.keys.sorted { $0.index < $1.index }
      if comes {
        next += 1
        let id = slab.insert { [next] _ in Element(number: next, ends: ends) }
        try #require(ever.insert(id).inserted)
        model[id] = next
      } else if let id = known.randomElement(using: &random) {
        slab.remove(id)
        try #require(ends.numbers.last == model.removeValue(forKey: id))
        gone.append(id)
      }
      if let id = known.randomElement(using: &random), model[id] != nil {
        next += 1
        slab[id].number = next
        model[id] = next
      }
      try check(slab, model, gone.suffix(50))
    }
    try #require(ever.count > slab.indexEnd, "no index was used twice")
  }

  private func check(_ slab: borrowing Slab<Element>, _ model: [ID: Int], _ gone: some Sequence<ID>) throws {
    let isSame = model.allSatisfy { slab.contains($0.key) && slab[$0.key].number == $0.value }
    let found = (0..<slab.indexEnd).compactMap { slab.id(at: $0) }
    let count = slab.count
    try #require(isSame && count == model.count && found.count == model.count && Set(found) == Set(model.keys))
    let isAnyThere = gone.contains { slab.contains($0) }
    try #require(!isAnyThere)
  }

  @Test("an element is made with the ID that it has")
  func ownID() {
    var slab = Slab<Slab<Int>.ID>()
    var ids: [Slab<Slab<Int>.ID>.ID] = []
    for _ in 0..<3 { ids.append(slab.insert { Slab<Int>.ID(index: $0.index, generation: $0.generation) }) }
    slab.remove(ids[1])
    ids[1] = slab.insert { Slab<Int>.ID(index: $0.index, generation: $0.generation) }
    for id in ids {
      let (index, generation) = (slab[id].index, slab[id].generation)
      #expect((index, generation) == (id.index, id.generation))
    }
  }

  @Test("the end of a slab ends what is in it, once, and not again what has gone")
  func end() {
    let ends = Ends()
    do {
      var slab = Slab<Element>()
      var ids: [ID] = []
      for number in 0..<5 { ids.append(slab.insert { _ in Element(number: number, ends: ends) }) }
      slab.remove(ids[3])
      slab.remove(ids[0])
      _ = slab.insert { _ in Element(number: 5, ends: ends) }
      #expect(ends.numbers == [3, 0])
    }
    #expect(ends.numbers.sorted() == [0, 1, 2, 3, 4, 5])
  }

  @Test("whoever reaches for an element that has gone ends the process, though another one has its place")
  func gone() async {
    await #expect(processExitsWith: .failure) {
      var slab = Slab<Int>()
      let id = slab.insert { _ in 1 }
      slab.remove(id)
      _ = slab.insert { _ in 2 }
      print(slab[id])
    }
  }

  @Test("an ID of no element is none")
  func unknown() {
    var slab = Slab<Int>()
    let first = Slab<Int>.ID(index: 0, generation: 0)
    var isThere = slab.contains(first)
    #expect(!isThere)
    let id = slab.insert { _ in 1 }
    isThere = slab.contains(first) || slab.contains(Slab<Int>.ID(index: 1, generation: 1))
    #expect(!isThere && id != first)
  }
}
