// Rules, as written, into the arrays that a match walks through. Called once per Policy, when it is made.

/// Builds the arrays of one policy.
struct PolicyCompiler {
  /// The most names that share a slot: the seed is drawn again, and the table made larger, until this holds.
  ///
  /// With twice as many slots as names, nine in one slot are a matter of one table of 10,000 names in some 20,000.
  static let slotLengthMax = 8
  /// How often that is tried. Since each time is independent of the last, the end is not reached in practice; if it were, a slot
  /// would only be longer.
  private static let drawsMax = 16

  private var arena: [UInt8] = []
  private var methods: [CompiledPattern] = []
  private var compiled: [CompiledRule] = []
  private var groups: [InterfaceGroup] = []
  private var slots: [UInt32] = []
  private var generator = SystemRandomNumberGenerator()

  /// The compiled form of `rules`.
  static func compile(_ rules: [GatewayRule]) -> CompiledRules {
    precondition(rules.count <= Int(Int32.max), "rule indices have 31 bits")
    var compiler = PolicyCompiler()
    let allowOutgoing = compiler.table(of: rules) { $0.action == .allow && $0.outgoing }
    let allowIncoming = compiler.table(of: rules) { $0.action == .allow && $0.incoming }
    let denyOutgoing = compiler.table(of: rules) { $0.action == .deny && $0.outgoing }
    let denyIncoming = compiler.table(of: rules) { $0.action == .deny && $0.incoming }
    return CompiledRules(
      arena: compiler.arena, methods: compiler.methods, rules: compiler.compiled, groups: compiler.groups,
      slots: compiler.slots, allowOutgoing: allowOutgoing, allowIncoming: allowIncoming, denyOutgoing: denyOutgoing,
      denyIncoming: denyIncoming)
  }

  /// The table of those `rules` that `belong` to it and can match something.
  private mutating func table(of rules: [GatewayRule], belong: (GatewayRule) -> Bool) -> RuleTable {
    var names: [[UInt8]: Int] = [:]
    var members: [(name: [UInt8], rules: [Int])] = []
    var everything: [Int] = []
    var globs: [Int] = []
    for (index, rule) in rules.enumerated() where belong(rule) && rule.canMatch {
      if rule.interface.isEverything {
        everything.append(index)
      } else if !rule.interface.isLiteral {
        globs.append(index)
      } else if let known = names[rule.interface.pattern] {
        members[known].rules.append(index)
      } else {
        names[rule.interface.pattern] = members.count
        members.append((rule.interface.pattern, [index]))
      }
    }
    let firstPlace = compiled.count
    var table = index(members, of: rules)
    table.everything = add(everything, of: rules)
    table.globs = add(globs, of: rules)
    table.places = firstPlace..<compiled.count
    return table
  }

  /// The hash table of `members`, whose rules and groups are added.
  private mutating func index(_ members: [(name: [UInt8], rules: [Int])], of rules: [GatewayRule]) -> RuleTable {
    let (hash, slotCount) = drawHash(for: members.map(\.name))
    let mask = UInt64(slotCount - 1)
    var bySlot: [[Int]] = Array(repeating: [], count: slotCount)
    for (i, member) in members.enumerated() {
      bySlot[Int(hash(member.name) & mask)].append(i)
    }
    let table = RuleTable(firstSlot: slots.count, slotMask: mask, hash: hash)
    for slot in bySlot {
      slots.append(UInt32(groups.count))
      for i in slot {
        let places = add(members[i].rules, of: rules)
        groups.append(
          InterfaceGroup(
            name: pattern(Glob(members[i].name)), tag: UInt32(hash(members[i].name) >> 32),
            firstRule: UInt32(places.lowerBound), ruleCount: UInt32(places.count)))
      }
    }
    slots.append(UInt32(groups.count))
    return table
  }

  /// A hash and a number of slots, a power of two, with which no slot has more than `slotLengthMax` of `names`.
  private mutating func drawHash(for names: [[UInt8]]) -> (hash: InterfaceHash, slotCount: Int) {
    var slotCount = 1
    while slotCount < 2 * names.count { slotCount *= 2 }
    var draw = 0
    while true {
      draw += 1
      let hash = InterfaceHash(using: &generator)
      var lengths: [Int] = Array(repeating: 0, count: slotCount)
      for name in names { lengths[Int(hash(name) & UInt64(slotCount - 1))] += 1 }
      if lengths.max()! <= PolicyCompiler.slotLengthMax || draw == PolicyCompiler.drawsMax { return (hash, slotCount) }
      if draw.isMultiple(of: 4) { slotCount *= 2 }
    }
  }

  /// Adds the rules at `indices`, and says where they went.
  private mutating func add(_ indices: [Int], of rules: [GatewayRule]) -> Range<Int> {
    let first = compiled.count
    for index in indices {
      let rule = rules[index]
      let firstMethod = methods.count
      for method in rule.methods where !method.pattern.isEmpty { methods.append(pattern(method)) }
      let bounds = rule.descriptorBounds
      compiled.append(
        CompiledRule(
          interface: rule.interface.isLiteral ? pattern(Glob([])) : pattern(rule.interface), path: pattern(rule.objectPath),
          firstMethod: UInt32(firstMethod), methodCount: UInt32(methods.count - firstMethod), index: Int32(index),
          descriptorsMin: bounds.lowerBound, descriptorsMax: bounds.upperBound, methodCalls: rule.methodCalls,
          signals: rule.signals, log: rule.log))
    }
    return first..<compiled.count
  }

  /// Puts the bytes of `glob` into the arena.
  private mutating func pattern(_ glob: Glob) -> CompiledPattern {
    let kind: CompiledPattern.Kind
    let bytes: ArraySlice<UInt8>
    if glob.isEverything {
      (kind, bytes) = (.everything, [])
    } else if glob.isLiteral {
      (kind, bytes) = (.literal, glob.literalPrefix)
    } else if glob.literalPrefix.count == glob.pattern.count - 1, glob.pattern.last == UInt8(ascii: "*") {
      (kind, bytes) = (.prefix, glob.literalPrefix)
    } else {
      (kind, bytes) = (.glob, glob.pattern[...])
    }
    let offset = arena.count
    arena += bytes
    return CompiledPattern(offset: UInt32(offset), count: UInt32(bytes.count), kind: kind)
  }
}

extension GatewayRule {
  /// Whether there is a message that this rule matches.
  ///
  /// A deny rule with an interface of no bytes still meets calls without interface, as every deny rule does.
  fileprivate var canMatch: Bool {
    if isInert || objectPath.pattern.isEmpty { return false }
    if interface.pattern.isEmpty, action == .allow { return false }
    return methods.contains { !$0.pattern.isEmpty }
  }

  /// The numbers of descriptors with which a message matches.
  fileprivate var descriptorBounds: ClosedRange<Int32> {
    guard let maxFDs else { return 0...Int32.max }
    switch action {
    case .allow: return 0...Int32(maxFDs)
    case .deny: return Int32(maxFDs) + 1...Int32.max
    }
  }
}
