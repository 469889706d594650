import Testing

@testable import GateSession
