// The gate as SASL server, towards the client: bytes in, bytes out, until BEGIN. Reads no socket, knows no policy and keeps no input.
// It does not judge a uid that differs from the kernel's, and does not know the bus: it stops and asks. No byte of the client's ever
// goes to the bus from here (CVE-2018-6560). Driven by the session; what the commands mean is in ServerHandshake+Commands.swift.

import DBusWire

/// The server side of the authentication protocol.
///
/// Who drives it presents the client's bytes to `receive`, drops as many from the front as were consumed, and presents the rest again
/// with more behind it. Anything may be pipelined, and split at any byte.
///
/// Spec: "auth-protocol", "auth-states-server".
public struct ServerHandshake: Sendable {
  /// Which mechanisms are to be had.
  public struct Options: Sendable, Equatable {
    /// EXTERNAL: the client is who the kernel says it is.
    public var external: Bool
    /// ANONYMOUS: the client is nobody, and is let in all the same.
    public var anonymous: Bool

    /// EXTERNAL only, unless said otherwise.
    public init(external: Bool = true, anonymous: Bool = false) {
      self.external = external
      self.anonymous = anonymous
    }
  }

  /// Why `receive` stopped. All but `needsBytes` and `needsRoom` are said again until they are answered; the last two for ever.
  public enum Step: Equatable, Sendable {
    /// Everything that could be is consumed.
    case needsBytes
    /// A line waits, but replies must leave first.
    case needsRoom
    /// OK is due and says the bus's GUID: answer with `provide(bus:into:)`.
    case needsBus
    /// The client claims this uid and the kernel says another: answer with `provide(identityAccepted:into:)`.
    case needsIdentity(UInt32)
    /// BEGIN is consumed: the bytes behind it are messages.
    case begun(negotiatedUnixFDs: Bool)
    /// What is in the output may still be sent; then the connection is over.
    case close(HandshakeFailure)
  }

  /// As in dbus-daemon (max_failures of dbus-auth.c). A bare AUTH, with which GDBus asks for the mechanisms, is one of them.
  public static let rejectsMax = 6

  enum State: Equatable {
    case awaitingNUL
    case awaitingAuth
    case awaitingData
    case awaitingIdentity(UInt32)
    case awaitingBus
    case awaitingBegin(agreedUnixFDs: Bool)
    case begun(negotiatedUnixFDs: Bool)
    case closed(HandshakeFailure)
  }

  let peerUID: UInt32?
  let options: Options
  var state = State.awaitingNUL
  var bus: BusIdentity?
  var rejects = 0
  private var lines = LineFinder()

  /// - Parameters:
  ///   - peerUID: The client's uid by the kernel's word; nil where the transport carries no credentials: EXTERNAL is not to be had
  ///     then. 2³²−1, which SO_PEERCRED says on transports that know nobody, is the same as nil.
  ///   - options: Which mechanisms are to be had.
  public init(peerUID: UInt32?, options: Options) {
    self.peerUID = peerUID == UInt32.max ? nil : peerUID
    self.options = options
  }

  /// Reads what can be read of `bytes`.
  ///
  /// - Returns: How many bytes were consumed from the front, whole lines only, and why it stopped there.
  public mutating func receive(_ bytes: RawSpan, into output: inout HandshakeOutput) -> (consumed: Int, step: Step) {
    var consumed = 0
    while true {
      let rest = bytes.extracting(droppingFirst: consumed)
      switch state {
      case .awaitingNUL:
        if rest.byteCount == 0 { return (consumed, .needsBytes) }
        if takeNUL(rest) { consumed += 1 }
      case .awaitingAuth, .awaitingData, .awaitingBegin:
        switch lines.find(in: rest) {
        case .partial:
          return (consumed, .needsBytes)
        case .tooLong:
          state = .closed(.lineTooLong)
        case .line(let count):
          if output.isFull { return (consumed, .needsRoom) }
          lines.lineWasTaken()
          take(rest.extracting(first: count), into: &output)
          consumed += count + 2
        }
      case .awaitingIdentity(let uid):
        return (consumed, .needsIdentity(uid))
      case .awaitingBus:
        return (consumed, .needsBus)
      case .begun(let negotiatedUnixFDs):
        return (consumed, .begun(negotiatedUnixFDs: negotiatedUnixFDs))
      case .closed(let failure):
        return (consumed, .close(failure))
      }
    }
  }

  /// Says which bus is behind the gate. May be said before it is asked for; until OK and the answer to NEGOTIATE_UNIX_FD are sent,
  /// the last word counts.
  public mutating func provide(bus: BusIdentity, into output: inout HandshakeOutput) {
    self.bus = bus
    if state == .awaitingBus { sendOK(bus, into: &output) }
  }

  /// Says whether the client is the user that it claims to be. Precondition: `receive` asked for it.
  public mutating func provide(identityAccepted: Bool, into output: inout HandshakeOutput) {
    guard case .awaitingIdentity = state else { preconditionFailure("no identity was asked for") }
    if identityAccepted { accept(into: &output) } else { reject(into: &output) }
  }

  /// The first byte, from which the kernel's credentials hang on some systems. Says whether it was what it has to be.
  private mutating func takeNUL(_ bytes: RawSpan) -> Bool {
    let isNUL = bytes.byte(at: 0) == 0
    state = isNUL ? .awaitingAuth : .closed(.noLeadingNUL)
    return isNUL
  }
}
