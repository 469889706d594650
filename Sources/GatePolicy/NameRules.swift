// Which names are seen, talked to and owned: the `names` of a document, and the options of xdg-dbus-proxy. A value, built in code or by the
// parser; Policy makes levels and rules of it.

/// The names that a client is to know of. As soon as a policy has one of these, even an empty one, every other name is hidden.
///
/// The behaviour is that of xdg-dbus-proxy(1).
public struct NameRules: Sendable {
  /// A pattern and its level.
  public struct Entry: Sendable {
    /// Which names.
    public let pattern: NamePattern
    /// How far they are open. A name that several entries match has the highest level.
    public let level: NameLevel
    /// Where that was written.
    public let location: SourceLocation
  }

  /// The entries, in the order in which they were added.
  public private(set) var entries: [Entry] = []
  /// What they let through.
  private(set) var rules: [GatewayRule] = []
  /// Whether all unique names are visible (`--sloppy-names`).
  public var showsUniqueNames = false
  /// Whether everybody on the bus may call the client and send it signals that are for it alone, and the client may send signals to
  /// everybody (personality `xdg-dbus-proxy`). Otherwise only rules let these through.
  public var trustsPeers = false

  /// No name but the driver's and the client's own.
  public init() {}

  /// Opens the names that `pattern` matches up to `level`.
  public mutating func allow(_ level: NameLevel, _ pattern: NamePattern, at location: SourceLocation) {
    entries.append(Entry(pattern: pattern, level: level, location: location))
    if level < .talk { return }
    add(.everything, pattern, location, outgoing: true, methodCalls: true, signals: true, delivery: .any)
    // What is for the client alone comes in from whom it may talk to.
    add(.everything, pattern, location, outgoing: false, methodCalls: false, signals: true, delivery: .any)
  }

  /// Opens the names that `pattern` matches to these calls, and to signals for them alone that are like these. For what the driver is asked,
  /// they then are as open as with `talk`.
  public mutating func allowCalls(_ messages: MessagePattern, to pattern: NamePattern, at location: SourceLocation) {
    entries.append(Entry(pattern: pattern, level: .talk, location: location))
    add(messages, pattern, location, outgoing: true, methodCalls: true, signals: true, delivery: .any)
  }

  /// Opens the client to these broadcasts of the names that `pattern` matches. For what the driver is asked, they then are as open as with
  /// `talk`.
  public mutating func allowBroadcasts(_ messages: MessagePattern, from pattern: NamePattern, at location: SourceLocation) {
    entries.append(Entry(pattern: pattern, level: .talk, location: location))
    add(messages, pattern, location, outgoing: false, methodCalls: false, signals: true, delivery: .broadcast)
  }

  /// Whether `name`, a well-known one, is open up to ``NameLevel/talk``. Takes time in the number of entries.
  public func talks(to name: RawSpan) -> Bool { entries.contains { $0.level >= .talk && $0.pattern.matches(name) } }

  /// Adds what `other` opens.
  public mutating func add(_ other: NameRules) {
    entries += other.entries
    rules += other.rules
    showsUniqueNames = showsUniqueNames || other.showsUniqueNames
    trustsPeers = trustsPeers || other.trustsPeers
  }

  private mutating func add(
    _ messages: MessagePattern, _ pattern: NamePattern, _ location: SourceLocation, outgoing: Bool, methodCalls: Bool,
    signals: Bool, delivery: GatewayRule.Delivery
  ) {
    for path in messages.paths {
      rules.append(
        GatewayRule(
          outgoing: outgoing, incoming: !outgoing, interface: messages.interface, objectPath: path, methods: [messages.member],
          methodCalls: methodCalls, signals: signals, location: location, name: pattern, delivery: delivery, isSticky: true))
    }
  }
}
