// What may be chosen about learning.

/// How much `learn` makes of a log.
public struct LearnOptions: Sendable {
  /// How many siblings of one shape become one pattern; nil: every path stays as it was seen.
  public var siblingsMin: Int? = 3
  /// Whether what was denied is learned too, where a rule could have allowed it.
  public var learnsDenied = false
  /// The bus of each gate whose label does not say it.
  public var buses: [String: GatewayBus] = [:]

  /// Three siblings, nothing that was denied, gates named after their bus.
  public init() {}

  /// The bus of the gate `label`, if it is known.
  func bus(of label: String) -> GatewayBus? { buses[label] ?? GatewayBus(rawValue: label) }
}
