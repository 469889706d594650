// One rule of a gateway document, as it was written. Made by the document parser or by hand; compiled by Policy, which is what
// matches. Nothing here decides.

/// A rule: what it names, and whether that is allowed or denied.
///
/// Source: configs/README.md, "The language, in ten minutes".
public struct GatewayRule: Sendable {
  /// What a rule does with the messages that it matches.
  public enum Action: UInt8, Sendable {
    /// Lets them through, unless a rule denies them.
    case allow
    /// Stops them, whatever any other rule allows.
    case deny
  }

  /// To whom the messages of a rule go.
  public enum Delivery: UInt8, Sendable {
    /// To one receiver or to everybody.
    case any
    /// To everybody: a signal without DESTINATION.
    case broadcast
  }

  /// Whether messages from the client to the bus are meant.
  public let outgoing: Bool
  /// Whether messages from the bus to the client are meant.
  public let incoming: Bool
  /// Matched against INTERFACE. A pattern of no bytes matches nothing, here and in the next two.
  public let interface: Glob
  /// Matched against PATH.
  public let objectPath: Glob
  /// One of these must match MEMBER; none at all match nothing.
  public let methods: [Glob]
  /// Whether METHOD_CALLs are meant.
  public let methodCalls: Bool
  /// Whether SIGNALs are meant.
  public let signals: Bool
  /// The most descriptors that a message may carry, 0…253, or nil for no bound.
  ///
  /// An allow rule matches only messages with at most that many; a deny rule only those with more. So either way more than that
  /// many do not pass by this rule.
  public let maxFDs: Int?
  /// Which names the other end must have: the receiver of an outgoing message, the sender of an incoming one. Nil: any or none.
  public let name: NamePattern?
  /// To whom the messages must go.
  public let delivery: Delivery
  /// Whether an allow rule also matches a peer that owned the name once, and not only the last that was known to own it. A deny rule
  /// always does.
  public let isSticky: Bool
  /// What becomes of the messages matched.
  public let action: Action
  /// Whether a decision by this rule is logged; nil leaves it to the log's own setting.
  public let log: Bool?
  /// Where the rule begins.
  public let location: SourceLocation
  /// Whether the rule was incomplete in a document of the classic dialect, and so matches nothing. It only keeps its index.
  public let isInert: Bool

  /// A complete rule.
  ///
  /// Precondition: `maxFDs`, where given, is in 0…253.
  public init(
    outgoing: Bool, incoming: Bool, interface: Glob, objectPath: Glob, methods: [Glob], methodCalls: Bool = true,
    signals: Bool = true, maxFDs: Int? = nil, action: Action = .allow, log: Bool? = nil, location: SourceLocation,
    name: NamePattern? = nil, delivery: Delivery = .any, isSticky: Bool = false
  ) {
    precondition(GatewayRule.descriptorBounds.contains(maxFDs ?? 0), "a message carries 0 to 253 descriptors")
    self.outgoing = outgoing
    self.incoming = incoming
    self.interface = interface
    self.objectPath = objectPath
    self.methods = methods
    self.methodCalls = methodCalls
    self.signals = signals
    self.maxFDs = maxFDs
    self.action = action
    self.log = log
    self.location = location
    self.name = name
    self.delivery = delivery
    self.isSticky = isSticky
    isInert = false
  }

  /// A rule that matches nothing and stands for an incomplete one. Only allow rules may be: a deny rule that matches nothing
  /// would let through what its author meant to stop.
  init(inertAt location: SourceLocation) {
    let nothing = Glob([])
    (outgoing, incoming, interface, objectPath, methods) = (false, false, nothing, nothing, [])
    (methodCalls, signals, maxFDs, action, log) = (false, false, nil, .allow, nil)
    (name, delivery, isSticky) = (nil, .any, false)
    self.location = location
    isInert = true
  }

  /// Whether there is a message that this rule matches.
  ///
  /// An interface of no bytes is not asked about: no search looks for it by name, but a deny rule that has it still meets calls
  /// without interface, as every deny rule does.
  var canMatch: Bool {
    !isInert && !objectPath.pattern.isEmpty && methods.contains { !$0.pattern.isEmpty }
  }

  /// What `max-fds` may say: the kernel passes 253 descriptors at once (SCM_MAX_FD).
  static let descriptorBounds = 0...253
}
