// The globs that a pattern of bus names comes to.

import GatePolicy

extension NamePattern {
  /// Globs that together match what this does: a pattern that ends in `.*` has what stands before that, too.
  var globs: [Glob] {
    let isSubtree = text.count > 2 && text.suffix(2).elementsEqual(".*".utf8)
    return [Glob(text)] + (isSubtree ? [Glob(Array(text.dropLast(2)))] : [])
  }
}
