// A policy, taken apart for a comparison: as products about messages between peers and about calls to the bus itself, and compiled.

import GatePolicy

/// What one of two policies says.
struct PolicySides {
  /// What is allowed, unless it is denied.
  struct Side {
    let allow: ProductSet
    let deny: ProductSet
  }

  let peers: Side
  let driver: Side
  private let policy: Policy

  /// The policy of `rules`.
  init(_ rules: [GatewayRule]) {
    var (allow, deny): ([RuleProduct], [RuleProduct]) = ([], [])
    for (index, rule) in rules.enumerated() {
      switch rule.action {
      case .allow: allow += RuleProduct.products(of: rule, at: index)
      case .deny: deny += RuleProduct.products(of: rule, at: index)
      }
    }
    peers = Side(allow: ProductSet(allow), deny: ProductSet(deny))
    let denied = deny.filter(DriverProducts.meetsDriver).map { product in
      var product = product
      product.names = []
      return product
    }
    driver = Side(allow: ProductSet(DriverProducts.allowed(by: allow)), deny: ProductSet(denied))
    policy = Policy(rules: rules, busName: "")
  }

  /// Whether the compiled policy lets `message` through.
  func allows(_ message: ExampleMessage) -> Bool {
    message.isAllowed(by: policy)
  }

  /// The rule that denies `message`, if one does.
  func denial(of message: ExampleMessage) -> SourceLocation? {
    let match = message.denial(policy)
    return match.outcome == .deny ? policy.rules[Int(match.rule)].location : nil
  }

  /// Where the rule of `product` stands, if it has one.
  func location(of product: RuleProduct) -> SourceLocation? {
    product.rule < 0 ? nil : policy.rules[product.rule].location
  }
}
