import GateSession
import Testing

@testable import GateServer

@Suite("event tokens")
struct EventTokenTests {
  @Test("tokens come back as they were made, up to the largest index and generation")
  func tokens() {
    for (index, generation) in [(0, 1), (5, 9), (0x3FFF_FFFF, UInt32.max)] as [(UInt32, UInt32)] {
      let connection = ConnectionID(index: index, generation: generation)
      for token in [
        EventToken.timer, .source(EventSource.ID(index: index, generation: generation)), .connection(connection, .client),
        .connection(connection, .bus),
      ] {
        #expect(EventToken(bits: token.bits) == token)
      }
    }
  }
}
