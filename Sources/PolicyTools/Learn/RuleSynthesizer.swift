// The rules for the messages of one bus: grouped by path pattern, what is covered twice taken out once. Made by Learner.

import GatePolicy

/// Makes rules out of messages.
struct RuleSynthesizer {
  /// What is told of messages of one rule apart from path and member.
  private struct Key: Hashable {
    let cell: MessageCells
    /// Of no bytes where a call had none.
    let interface: [UInt8]
    /// Calls to the bus itself stand alone: of those nothing is generalised.
    let isForDriver: Bool
    /// The well-known name that was called; nil if it was a unique name, or nobody's.
    let name: [UInt8]?

    /// The same to or from anybody.
    var ofAnybody: Key { Key(cell: cell, interface: interface, isForDriver: isForDriver, name: nil) }
  }

  /// The paths and members under one pattern.
  private struct Group {
    var paths: Set<[UInt8]> = []
    var members: Set<[UInt8]> = []
  }

  private let tree: PathTree
  private var groups: [Key: [[UInt8]: Group]] = [:]
  /// The paths that each pattern stands for, whatever is called there.
  private var pathsByPattern: [[UInt8]: Set<[UInt8]>] = [:]
  /// Patterns that the rules have, and why.
  private(set) var generalisations: [(pattern: String, reason: String)] = []

  /// The rules for `messages`.
  init(_ messages: some Sequence<ExampleMessage>, siblingsMin: Int?) {
    tree = PathTree(messages.lazy.filter { !$0.isForDriver && $0.interface != nil }.map(\.path), siblingsMin: siblingsMin)
    for message in messages {
      let key = Key(
        cell: Self.cell(message), interface: message.interface ?? [], isForDriver: message.isForDriver,
        name: message.peerNames.first)
      let isKept = message.isForDriver || message.interface == nil
      let pattern = isKept ? message.path : tree.pattern(for: message.path)
      groups[key, default: [:]][pattern, default: Group()].paths.insert(message.path)
      groups[key]![pattern]!.members.insert(message.member)
      pathsByPattern[pattern, default: []].insert(message.path)
    }
  }

  private static func cell(_ message: ExampleMessage) -> MessageCells {
    switch (message.direction, message.isSignal) {
    case (.outgoing, false): .outgoingCall
    case (.outgoing, true): .outgoingSignal
    case (.incoming, false): .incomingCall
    case (.incoming, true): .incomingSignal
    }
  }

  /// Rules that allow just these messages, but for calls without INTERFACE, which none can do.
  static func exactRules(_ messages: some Sequence<ExampleMessage>) -> [GatewayRule] {
    var synthesizer = RuleSynthesizer(messages.lazy.filter { $0.interface != nil }, siblingsMin: nil)
    return synthesizer.rules().map { $0.rule() }
  }

  /// The rules, merged and in order.
  mutating func rules() -> [LearnedRule] {
    var rules: [LearnedRule] = []
    for key in groups.keys { rules += self.rules(for: key) }
    let merged = LearnedRule.merged(rules)
    var named: Set<[UInt8]> = []
    for rule in merged {
      guard let comment = rule.comment else { continue }
      let pattern = rule.interface == [UInt8(ascii: "*")] ? rule.interface : rule.path
      if named.insert(pattern + Array(comment.utf8)).inserted {
        generalisations.append((String(decoding: pattern, as: UTF8.self), comment))
      }
    }
    return merged
  }

  /// The members under each path or pattern.
  private func members(for key: Key) -> [[UInt8]: Set<[UInt8]>] {
    var members: [[UInt8]: Set<[UInt8]>] = [:]
    for (pattern, group) in groups[key] ?? [:] {
      // A pattern that stands for a single path here is no use: the path will do.
      let path = group.paths.count == 1 ? group.paths.first! : pattern
      members[path, default: []].formUnion(group.members)
    }
    return members
  }

  private func rules(for key: Key) -> [LearnedRule] {
    let own = members(for: key)
    let others = key.name == nil ? [:] : members(for: key.ofAnybody)
    let wide = own.keys.map { Glob($0) }.filter { !$0.isLiteral }
    return own.compactMap { path, members in
      // What a wider rule allows anyway is left to it: one with a wider pattern, or one for anybody.
      let glob = Glob(path)
      let covering =
        wide.filter { $0.pattern != path && $0.surelyCovers(glob) }.map { own[$0.pattern]! }
        + others.filter { Glob($0.key).surelyCovers(glob) }.map(\.value)
      let left = members.filter { member in !covering.contains { $0.contains(member) } }
      if left.isEmpty { return nil }
      return LearnedRule(
        cells: key.cell, interface: key.interface.isEmpty ? [UInt8(ascii: "*")] : key.interface, path: path,
        members: left.sorted { $0.lexicographicallyPrecedes($1) }, name: key.name, comment: comment(path, left, key))
    }
  }

  /// Why a rule allows more than was seen, if it does.
  private func comment(_ path: [UInt8], _ members: Set<[UInt8]>, _ key: Key) -> String? {
    if key.isForDriver, members.contains(Array("RequestName".utf8)) || members.contains(Array("ReleaseName".utf8)) {
      return "generalised: stands for every name, since no rule says which one; \"busgate\": {\"names\": {\"own\": [\"…\"]}} does"
    }
    if key.interface.isEmpty {
      return "generalised: a call without INTERFACE was seen, which nothing but * lets through; * is every interface here"
    }
    if Glob(path).isLiteral { return nil }
    let paths = (pathsByPattern[path] ?? []).sorted { $0.lexicographicallyPrecedes($1) }
    let shown = paths.prefix(2).map { String(decoding: $0, as: UTF8.self) }.joined(separator: " and ")
    return
      "generalised: stands for \(paths.count) paths that were seen, \(shown)\(paths.count > 2 ? " among them" : ""); * is any text, across / too"
  }
}
