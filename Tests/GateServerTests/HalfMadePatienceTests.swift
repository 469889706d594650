import Testing

@testable import GateServer

@Suite("a socket that another gate is making")
struct HalfMadePatienceTests {
  private static let halfMade = ListenFailure.halfMade("/run/x")

  @Test("is left alone for fifty tries, then it counts as left behind")
  func bound() {
    var patience = HalfMadePatience()
    for _ in 0..<HalfMadePatience.attemptsMax {
      #expect(!patience.isOver)
      patience.note(Self.halfMade)
    }
    #expect(patience.isOver)
  }

  @Test("is left alone however long the path could not be had for another reason before")
  func another() {
    var patience = HalfMadePatience()
    for _ in 0..<HalfMadePatience.attemptsMax - 1 { patience.note(Self.halfMade) }
    for _ in 0..<1000 { patience.note(.refused("something else is there")) }
    #expect(!patience.isOver)
    patience.note(Self.halfMade)
    #expect(!patience.isOver)
  }
}
