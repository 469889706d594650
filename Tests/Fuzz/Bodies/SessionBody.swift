// A simulated world whose choices are the input: the fuzzer learns which choices lead where. See GateSimulation.

import GateSimulation

enum SessionBody {
  static func run(_ input: [UInt8]) {
    do {
      try World(Choices(bytes: input)).run()
    } catch {
      fatalError("\(error)")
    }
  }
}
