// What all sessions of one gate have in common.

/// How the sessions of a gate behave. Immutable once the gate runs.
///
/// Source: ours.
public struct SessionSettings: Sendable {
  /// Which decisions the log wants to have; a rule's own `log` key comes first.
  public enum Logging: Sendable {
    /// None.
    case nothing
    /// Messages that were denied.
    case denied
    /// Every message.
    case everything
    /// Every message, whatever its rule's own `log` key says: for a dry run, which asks for verdicts.
    case dryRun
  }

  /// What becomes of a message that the rules do not allow.
  public enum Mode: Sendable {
    /// It is not forwarded.
    case enforce
    /// It is forwarded, with the verdict ``Verdict/Action/audit``: for learning what a container needs. Whatever is not the rules' to
    /// open stays closed: see ``Mediator/refusal(_:by:)``.
    case audit
  }

  /// Bounds of one connection.
  public var limits = Limits()
  /// What the decision log wants.
  public var logging = Logging.denied
  /// What becomes of a message that the rules do not allow.
  public var mode = Mode.enforce
  /// Whether the log is to tell well-known names behind unique ones that no rule asks about (audit mode): all names are followed then, which
  /// costs a question for each when a client says Hello.
  public var tellsOwners = false
  /// RequestName and ReleaseName need no rule (personality `dbus-proxy`, whose documentation promises it).
  public var opensNames = false
  /// A client that speaks before saying Hello gets its Hello said by the gate (personality `dbus-proxy`).
  public var saysHello = false
  /// Nothing is filtered: whatever is well-formed and within the limits passes, and no policy is asked (personality
  /// `xdg-dbus-proxy` without `--filter`).
  public var isUnfiltered = false
  /// Clients may authenticate as ANONYMOUS.
  public var allowsAnonymous = false
  /// The gate may authenticate to the bus as ANONYMOUS, where the transport to it carries no credentials. Elsewhere it never does.
  public var allowsAnonymousToBus = false
  /// What the client's connection can carry. NEGOTIATE_UNIX_FD is refused where that is no descriptors, whatever the bus agreed to, and the
  /// uid that a session is given counts for nothing where it is no credentials.
  public var clientTransport = Transport.unix
  /// Match rules of all sessions of the gate; nil: unbounded.
  public var matchesTotal: GateCount?
  /// Well-known names that clients of the gate own or wait for; nil: unbounded.
  public var namesTotal: GateCount?
  /// Seed of the tables whose keys an attacker picks.
  public var seed = SeededHash()

  /// The defaults of `busgate run` on a session bus.
  public init() {}
}
