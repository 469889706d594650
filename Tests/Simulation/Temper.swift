// What a simulated world is given to, so that what is rare in most worlds is common in some.

/// How often things happen in one world, in percent where nothing else is said.
struct Temper {
  /// Messages that are the last one of their side again; how many of them keep its descriptors, and how many of 1000 are spoilt.
  private(set) var monotony = 0, keepsDescriptors = 50, spoilt = 4
  /// Policies that have to do with names. With a secret all have, and one name is open to nobody.
  private(set) var names = 0, hasSecret = false
  /// Steps in which things happen that belong together.
  private(set) var scenes = 0
  /// How seldom a peer that takes nothing changes its mind.
  enum Stalls { case never, often, long }
  private(set) var stalls = Stalls.often
  /// Whether it is mostly about match rules that the gate has too, and names that are taken away.
  private(set) var isAboutHoldings = false
  /// Answers of the bus that refuse what the gate itself asks for, of 1000.
  private(set) var refusals = 5

  init() {}

  init(_ choices: inout Choices) {
    monotony = choices.pick([0, 20, 60, 90])
    keepsDescriptors = choices.pick([50, 95])
    spoilt = choices.pick([4, 4, 4, 60])
    hasSecret = choices.chance(15)
    names = choices.pick([0, 0, 100, 70])
    isAboutHoldings = choices.chance(25)
    if isAboutHoldings { names = 60 }
    if hasSecret { names = 100 }
    scenes = choices.pick([0, 5, 20, 40])
    stalls = choices.pick([.never, .often, .often, .long])
    refusals = choices.pick([5, 5, 5, 150])
  }
}
