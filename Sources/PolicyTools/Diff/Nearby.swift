// What a product of one policy may have in common with the other policy and with its own deny rules: looked up once, for all sorts of
// messages. Made by PolicyComparison.

/// A product and its surroundings.
final class Nearby {
  let product: RuleProduct
  private let before: PolicySides.Side
  private let after: PolicySides.Side
  private lazy var withInterface = lookUp(.withInterface)
  private lazy var withoutInterface = lookUp(.withoutInterface)

  /// The surroundings of `product`, one of those that `after` allows.
  init(_ product: RuleProduct, _ before: PolicySides.Side, _ after: PolicySides.Side) {
    self.product = product
    self.before = before
    self.after = after
  }

  /// What the policy before allows and the one after denies, as far as it may overlap.
  func others(in cell: MessageCells) -> [RuleProduct] { cell.hasInterface ? withInterface : withoutInterface }

  private func lookUp(_ cells: MessageCells) -> [RuleProduct] {
    before.allow.overlapping(product, in: cells) + after.deny.overlapping(product, in: cells)
  }
}
