// The two buses that a gateway document has rules for.

import GatePolicy

/// A bus, by the word that keys, gates and commands have for it.
public enum GatewayBus: String, Sendable, CaseIterable {
  /// The session bus.
  case session
  /// The system bus.
  case system

  /// The rules for this bus.
  public func rules(of document: GatewayDocument) -> [GatewayRule] {
    switch self {
    case .session: document.sessionRules
    case .system: document.systemRules
    }
  }
}
