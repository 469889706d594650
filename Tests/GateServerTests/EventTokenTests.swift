import Testing

@testable import GateServer

@Suite("event tokens")
struct EventTokenTests {
  @Test("tokens come back as they were made")
  func tokens() {
    for service in AdminService.allCases {
      #expect(EventToken(bits: EventToken.adminListener(service).bits) == .adminListener(service))
      #expect(EventToken(bits: EventToken.adminClient(service, id: .max).bits) == .adminClient(service, id: .max))
    }
    for token in [EventToken.signals, .standardInput, .listener(gate: 7), .connection(index: 5, generation: 9, side: .bus)] {
      #expect(EventToken(bits: token.bits) == token)
    }
  }
}
