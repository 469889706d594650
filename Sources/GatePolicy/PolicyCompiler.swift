// Rules, as written, into the arrays that a match walks through. Called once per Policy, when it is made.

/// A rule whose interface is a name: the name's hash, and the rule.
private struct NamedRule: BitwiseCopyable {
  let hash: UInt64
  let index: Int
}

/// Builds the arrays of one policy.
struct PolicyCompiler {
  /// The most names that share a slot: another hash is drawn until this holds.
  ///
  /// With twice as many slots as names, about one in 20,000 tables of 10,000 names has nine in one slot.
  static let slotLengthMax = 8
  /// How often a hash is drawn at most. Draws are independent, so the last one is not reached in practice. If it were, a slot would only
  /// be longer.
  private static let drawsMax = 16

  private let source: [GatewayRule]
  /// Numbers of the rules' name patterns.
  private let nameNumbers: [NamePattern: Int]
  let hash: InterfaceHash
  private var arena: [UInt8] = []
  private var methods: [CompiledPattern] = []
  private var rules: [CompiledRule] = []
  private var groups: [InterfaceGroup] = []
  private var slots: [UInt32] = []
  private var slotLength = 0
  private(set) var allowOutgoing = RuleTable.empty
  private(set) var allowIncoming = RuleTable.empty
  private(set) var denyOutgoing = RuleTable.empty
  private(set) var denyIncoming = RuleTable.empty

  private init(_ source: [GatewayRule], _ nameNumbers: [NamePattern: Int], hash: InterfaceHash) {
    self.source = source
    self.nameNumbers = nameNumbers
    self.hash = hash
    allowOutgoing = table(.allow, .outgoing)
    allowIncoming = table(.allow, .incoming)
    denyOutgoing = table(.deny, .outgoing)
    denyIncoming = table(.deny, .incoming)
  }

  /// The compiled form of `rules`.
  static func compile(_ rules: [GatewayRule], nameNumbers: [NamePattern: Int]) -> PolicyCompiler {
    precondition(rules.count <= Int(Int32.max), "rule indices have 31 bits")
    var compiler = PolicyCompiler(rules, nameNumbers, hash: InterfaceHash.drawn())
    for _ in 1..<drawsMax where compiler.slotLength > slotLengthMax {
      compiler = PolicyCompiler(rules, nameNumbers, hash: InterfaceHash.drawn())
    }
    return compiler
  }

  /// The finished arrays.
  var compiledRules: CompiledRules {
    CompiledRules(hash: hash, arena: arena, methods: methods, rules: rules, groups: groups, slots: slots)
  }

  /// The table of the rules of one action and direction that can match something.
  private mutating func table(_ action: GatewayRule.Action, _ direction: Direction) -> RuleTable {
    var named: [NamedRule] = []
    var everything: [Int] = []
    var globs: [Int] = []
    // A rule is read in place: a copy would retain half a dozen references.
    for index in source.indices where source[index].action == action && source[index].meets(direction) {
      if !source[index].canMatch { continue }
      let interface = source[index].interface
      if interface.isEverything {
        everything.append(index)
      } else if interface.isLiteral {
        named.append(NamedRule(hash: hash(interface.pattern), index: index))
      } else {
        globs.append(index)
      }
    }
    let (firstSlot, first) = (slots.count, rules.count)
    let slotCount = add(named)
    let firstEverything = rules.count
    for index in everything { add(index) }
    let firstGlob = rules.count
    for index in globs { add(index) }
    return RuleTable(
      firstSlot: UInt32(firstSlot), slotMask: UInt32(slotCount - 1), first: UInt32(first),
      firstEverything: UInt32(firstEverything), firstGlob: UInt32(firstGlob), end: UInt32(rules.count))
  }

  /// Adds slots, groups and rules for `named`. Returns the number of slots, a power of two.
  private mutating func add(_ named: [NamedRule]) -> Int {
    let byHash = named.sorted { ($0.hash, $0.index) < ($1.hash, $1.index) }
    var nameCount = 0
    for place in byHash.indices where place == 0 || byHash[place].hash != byHash[place - 1].hash { nameCount += 1 }
    var slotCount = 1
    while slotCount < 2 * nameCount { slotCount *= 2 }
    let mask = UInt64(slotCount - 1)
    let bySlot = byHash.sorted { ($0.hash & mask, $0.hash, $0.index) < ($1.hash & mask, $1.hash, $1.index) }
    var next = bySlot.startIndex
    for slot in 0..<UInt64(slotCount) {
      slots.append(UInt32(groups.count))
      let first = groups.count
      while next < bySlot.endIndex, bySlot[next].hash & mask == slot {
        let end = bySlot[next...].firstIndex { $0.hash != bySlot[next].hash } ?? bySlot.endIndex
        addGroups(bySlot[next..<end])
        next = end
      }
      slotLength = max(slotLength, groups.count - first)
    }
    slots.append(UInt32(groups.count))
    return slotCount
  }

  /// Adds the groups of rules whose interfaces have one hash. These have one name, hardly ever two.
  private mutating func addGroups(_ named: ArraySlice<NamedRule>) {
    var rest = named
    while let first = rest.first {
      let name = source[first.index].interface.pattern
      let isOneName = rest.allSatisfy { source[$0.index].interface.pattern == name }
      let group = isOneName ? rest : ArraySlice(rest.filter { source[$0.index].interface.pattern == name })
      groups.append(
        InterfaceGroup(
          name: pattern(Glob(name)), tag: UInt32(first.hash >> 32), firstRule: UInt32(rules.count),
          ruleCount: UInt32(group.count)))
      for rule in group { add(rule.index) }
      rest = isOneName ? [] : ArraySlice(rest.filter { source[$0.index].interface.pattern != name })
    }
  }

  /// Adds the rule at `index`.
  private mutating func add(_ index: Int) {
    let rule = source[index]
    let firstMethod = methods.count
    for method in rule.methods where !method.pattern.isEmpty { methods.append(pattern(method)) }
    let bounds = rule.descriptorBounds
    rules.append(
      CompiledRule(
        interface: pattern(rule.interface.isLiteral ? Glob([]) : rule.interface), path: pattern(rule.objectPath),
        firstMethod: UInt32(firstMethod), methodCount: UInt32(methods.count - firstMethod), index: Int32(index),
        descriptorsMin: bounds.lowerBound, descriptorsMax: bounds.upperBound, methodCalls: rule.methodCalls,
        signals: rule.signals, log: rule.log, name: name(of: rule),
        asksForName: rule.name != nil || rule.delivery != .any))
  }

  /// What `rule` asks of names.
  private mutating func name(of rule: GatewayRule) -> CompiledName {
    let isForBroadcasts = rule.delivery == .broadcast
    guard let name = rule.name, let number = nameNumbers[name] else {
      let anybody = CompiledName.anybody
      return CompiledName(
        number: anybody.number, offset: 0, count: 0, kind: .exact, isSticky: false, isDeny: false,
        isForBroadcasts: isForBroadcasts)
    }
    let offset = arena.count
    arena += name.text
    return CompiledName(
      number: Int32(number), offset: UInt32(offset), count: UInt32(name.text.count), kind: name.kind,
      isSticky: rule.isSticky || rule.action == .deny, isDeny: rule.action == .deny, isForBroadcasts: isForBroadcasts)
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
  fileprivate func meets(_ direction: Direction) -> Bool {
    switch direction {
    case .outgoing: outgoing
    case .incoming: incoming
    }
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
