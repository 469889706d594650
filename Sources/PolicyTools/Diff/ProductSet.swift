// Products of one policy, found by what they can have in common with another. Made by PolicyComparison, asked by ProductSearch.

import GatePolicy

/// A union of products, with an index.
struct ProductSet {
  /// Each has one pattern for every part.
  let products: [RuleProduct]
  private var named: [[UInt8]: [Int]] = [:]
  /// The keys of `named`, ascending.
  private var names: [[UInt8]] = []
  /// Products whose interface has a wildcard.
  private var globs: [Int] = []
  /// Products that meet calls without INTERFACE.
  private var withoutInterface: [Int] = []
  private var equal: [[[UInt8]]: [Int]] = [:]

  /// The union of `products`.
  init(_ products: [RuleProduct]) {
    self.products = products
    for (index, product) in products.enumerated() {
      if product.interface[0].isLiteral {
        named[product.interface[0].pattern, default: []].append(index)
      } else {
        globs.append(index)
      }
      if !product.cells.isSubset(of: .withInterface) { withoutInterface.append(index) }
      equal[Self.key(product), default: []].append(index)
    }
    names = named.keys.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private static func key(_ product: RuleProduct) -> [[UInt8]] {
    [product.interface[0].pattern, product.path[0].pattern, product.member[0].pattern] + product.names.map(\.pattern)
  }

  /// Whether some product has the same patterns as `product` and covers it in `cell`.
  func hasEqual(_ product: RuleProduct, in cell: MessageCells) -> Bool {
    (equal[Self.key(product)] ?? []).contains { index in
      let other = products[index]
      return other.cells.isSuperset(of: cell) && other.descriptors.contains(product.descriptors.lowerBound)
        && other.descriptors.contains(product.descriptors.upperBound)
    }
  }

  /// The products that may have messages of one of `cells`, all with INTERFACE or all without, in common with `product`; of those
  /// that ask for a name, if `namesCount`, only such as
  /// are met by somebody with no more names than `product` wants.
  func overlapping(_ product: RuleProduct, in cells: MessageCells, namesCount: Bool = true) -> [RuleProduct] {
    candidates(for: product, in: cells).map { products[$0] }.filter { other in
      !other.cells.isDisjoint(with: cells) && other.descriptors.overlaps(product.descriptors)
        && product.path.allSatisfy { $0.mayOverlap(other.path[0]) }
        && product.member.allSatisfy { $0.mayOverlap(other.member[0]) }
        && (!namesCount || other.names.isEmpty || product.names.contains { $0.mayOverlap(other.names[0]) })
        && (!cells.hasInterface || product.interface.allSatisfy { $0.mayOverlap(other.interface[0]) })
    }
  }

  private func candidates(for product: RuleProduct, in cells: MessageCells) -> [Int] {
    if !cells.hasInterface { return withoutInterface }
    if let literal = product.interface.first(where: \.isLiteral) { return (named[literal.pattern] ?? []) + globs }
    let prefix = product.interface.map(\.literalPrefix).max { $0.count < $1.count }!
    // Names that begin alike stand side by side.
    var (low, high) = (0, names.count)
    while low < high {
      let middle = (low + high) / 2
      if names[middle].lexicographicallyPrecedes(prefix) { low = middle + 1 } else { high = middle }
    }
    return names[low...].prefix { $0.starts(with: prefix) }.flatMap { named[$0]! } + globs
  }
}
