// What a simulated world is given to, so that what is rare in most worlds is common in some.

/// How often things happen in one world, in percent where nothing else is said.
struct Temper {
  /// Messages that are the last one of their side again; how many of them keep its descriptors, and how many of 1000 are spoilt.
  let monotony: Int, keepsDescriptors: Int, spoilt: Int
  /// Policies that have to do with names. With a secret all have, and one name is open to nobody.
  let names: Int
  let hasSecret: Bool
  /// Messages that have to do with the driver, besides those that have anyway.
  let driver: Int
  /// Steps in which things happen that belong together.
  let scenes: Int
  /// How seldom a peer that takes nothing changes its mind.
  enum Stalls { case never, often, long }
  let stalls: Stalls
  /// Answers of the bus that refuse what the gate itself asks for, of 1000.
  let refusals: Int

  init(_ choices: inout Choices) {
    monotony = choices.pick([0, 20, 60, 90])
    keepsDescriptors = choices.pick([50, 95])
    spoilt = choices.pick([4, 4, 4, 60])
    hasSecret = choices.chance(15)
    let names = choices.pick([0, 0, 100, 70])
    self.names = hasSecret ? 100 : names
    driver = choices.pick([0, 0, 30, 80])
    scenes = choices.pick([0, 5, 20, 40])
    stalls = choices.pick([.never, .often, .often, .long])
    refusals = choices.pick([5, 5, 5, 150])
  }
}
