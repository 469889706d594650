// What would let a denied message through, and no more: never wider than the rule that came nearest, in no key that it has. Where that
// cannot be, nothing is suggested, and it is said what is missing. Made by Explanation, which asks the widened policy about it.

import GatePolicy
import GateSession

/// A rule, or names, to add.
struct Suggestion {
  /// Whether a query is answered with yes once a rule, or names, are added.
  typealias Asking = (MessageQuery, GatewayRule?, NameRules?) -> Bool

  private(set) var rule: GatewayRule?
  private(set) var names: NameRules?
  private(set) var hint: String?

  private static let nowhere = SourceLocation(file: "", line: 1, column: 1)

  /// What opens `query`, which is denied.
  init(for query: MessageQuery, near nearest: GatewayRule?, isAllowed: Asking) {
    guard query.kind == .methodCall || query.kind == .signal else { return }
    if let level = Self.level(query) {
      suggestNames(query, level, isAllowed)
    } else if query.isForDriver {
      suggestForBus(query, isAllowed)
    } else {
      suggestRule(query, nearest, isAllowed)
    }
  }

  // MARK: The bus itself

  /// How far the name that the bus is asked about has to be open; nil if it is asked about none.
  private static func level(_ query: MessageQuery) -> NameLevel? {
    guard query.isForDriver, query.kind == .methodCall else { return nil }
    let method = Driver.methods.first { method in
      query.member == "\(method.member)" && (query.interface.isEmpty || query.interface == "\(method.interface)")
    }
    switch method?.names {
    case .see: return .see
    case .talk: return .talk
    case .own: return .own
    case .list, .some(.none), nil: return nil
    }
  }

  private mutating func suggestNames(_ query: MessageQuery, _ level: NameLevel, _ isAllowed: Asking) {
    guard let name = query.argument else {
      hint = "a rule would open it for every name; --arg0 NAME says which one is asked about"
      return
    }
    // A pattern is no name.
    guard NameSort.name.isLegal(Array(name.utf8)), let pattern = try? NamePattern(Array(name.utf8)) else { return }
    var names = NameRules()
    names.allow(level, pattern, at: Self.nowhere)
    if !isAllowed(query, nil, names) { return }
    self.names = names
    hint = "with \"names\" every name is hidden that neither they nor a rule mention"
    if level == .talk {
      hint = "it opens every call to that name; a rule that lets some call to it pass starts the service as well"
    }
  }

  /// Methods that only a rule opens that names them.
  private mutating func suggestForBus(_ query: MessageQuery, _ isAllowed: Asking) {
    var interfaces = [query.interface]
    if query.interface.isEmpty {
      interfaces = Driver.methods.filter { "\($0.member)" == query.member }.map { "\($0.interface)" }
    }
    rule = interfaces.map { Self.rule(query, $0, name: nil) }.first { isAllowed(query, $0, nil) }
  }

  // MARK: Other peers

  private mutating func suggestRule(_ query: MessageQuery, _ nearest: GatewayRule?, _ isAllowed: Asking) {
    if query.interface.isEmpty, let nearest, !nearest.interface.isEverything {
      hint =
        "without INTERFACE only \"interface\": \"*\" lets a call through, which is every interface here: expected a client that names it"
      return
    }
    var asked = query
    var name: NamePattern?
    if let known = query.rulesName {
      name = try? NamePattern(Array(known.utf8))
      if name == nil { return }
    } else if let wanted = nearest?.name {
      guard let example = wanted.example else { return }
      name = wanted
      asked.setPeerName(example)
      hint = "the rule applies only to \(wanted); --name NAME says who is at the other end"
    } else if query.hasNamelessPeer {
      if query.isOfEveryService {
        hint =
          "every service has \(query.interface.isEmpty ? query.member : query.interface), and a rule without a name opens all of "
          + "them; --name NAME says which one is meant, and the rule applies only to that name"
        return
      }
      hint = "the rule is for whoever is at the other end; with --name NAME there is one that applies only to that name"
    }
    let interface = query.interface.isEmpty ? "*" : query.interface
    let candidate = Self.rule(query, interface, name: name)
    if isAllowed(asked, candidate, nil) { rule = candidate } else { hint = nil }
  }

  /// A rule that names the message and nothing else.
  private static func rule(_ query: MessageQuery, _ interface: String, name: NamePattern?) -> GatewayRule {
    GatewayRule(
      outgoing: query.direction == .outgoing, incoming: query.direction == .incoming,
      interface: Glob(Array(interface.utf8)), objectPath: Glob(Array(query.path.utf8)),
      methods: [Glob(Array(query.member.utf8))], methodCalls: query.kind == .methodCall,
      signals: query.kind == .signal, maxFDs: query.fds <= 253 ? query.fds : nil, location: nowhere, name: name)
  }
}

extension MessageQuery {
  /// Whether somebody is at the other end of whom no name is known. What the client says to everybody is for nobody.
  fileprivate var hasNamelessPeer: Bool {
    rulesName == nil && !(kind == .signal && direction == .outgoing && destination.isEmpty)
  }

  /// Whether a rule for it that has no name would be one for every service.
  fileprivate var isOfEveryService: Bool {
    ExampleMessage(
      direction: direction, isSignal: kind == .signal, interface: interface.isEmpty ? nil : Array(interface.utf8),
      path: Array(path.utf8), member: Array(member.utf8), descriptors: 0
    ).opensEveryService
  }

  /// The same with somebody at the other end who owns `name`.
  fileprivate mutating func setPeerName(_ name: String) {
    if direction == .outgoing && kind == .signal && destination.isEmpty { destination = Self.someone }
    peerName = name
  }
}

extension NamePattern {
  /// A name that is matched; nil if none is found.
  fileprivate var example: String? {
    let text = String(
      decoding: isExact ? text : text.map { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") ? UInt8(ascii: "x") : $0 },
      as: UTF8.self)
    let bytes = Array(text.utf8)
    return NameSort.name.isLegal(bytes) && matches(unsafe bytes.span.bytes) ? text : nil
  }
}
