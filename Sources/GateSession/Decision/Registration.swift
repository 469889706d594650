// The client on the bus: whether Hello was said and by whom, the name that came of it, and whether the bus made the connection a monitor.

import DBusWire

/// What is known of the client's registration.
///
/// Spec: "bus-messages-hello".
struct Registration: ~Copyable {
  /// What is known about Hello, without which a bus serves nobody.
  enum Phase { case unsaid, asked, askedByGate, answered }

  private(set) var phase = Phase.unsaid
  /// Whether it was the gate that said Hello, so that the answer to a later one of the client's is the gate's to repeat.
  private var saidByGate = false
  /// Serial of the gate's own Hello while it is outstanding, else 0.
  private(set) var ownHelloSerial: UInt32 = 0
  /// The client's name on the bus; empty until Hello is answered.
  private(set) var uniqueName: [UInt8] = []
  /// Whether BecomeMonitor was granted.
  private(set) var isMonitor = false

  /// Whether the client has a name.
  @inline(__always)
  var isNamed: Bool { !uniqueName.isEmpty }

  /// Whether Hello has been answered and the client has a name.
  @inline(__always)
  var isDone: Bool { phase == .answered && !uniqueName.isEmpty }

  /// Whether a Hello of the client's is answered by the gate, which has said one before.
  var repeatsReply: Bool { saidByGate && isDone }

  /// Whether `name` is the client's unique name.
  @inline(__always)
  func isUniqueName(_ name: RawSpan) -> Bool {
    if name.byteCount != uniqueName.count || name.byteCount == 0 { return false }
    return unsafe name.isEqual(to: uniqueName.span.bytes)
  }

  /// The client says Hello.
  mutating func ask() { if phase == .unsaid { phase = .asked } }

  /// The gate says Hello; returns the serial, which is not `avoided`.
  mutating func askForClient(avoiding avoided: UInt32) -> UInt32 {
    ownHelloSerial = avoided == .max ? .max - 1 : .max
    phase = .askedByGate
    saidByGate = true
    return ownHelloSerial
  }

  /// The gate's own Hello was answered, perhaps with an error.
  mutating func takeOwnReply() {
    ownHelloSerial = 0
    phase = .answered
  }

  /// The bus has named the client; returns whether that is a name.
  mutating func take(_ name: RawSpan) -> Bool {
    if !name.starts(with: UInt8(ascii: ":")) || name.byteCount > BusName.byteCountMax { return false }
    uniqueName = unsafe name.withUnsafeBytes { unsafe Array($0) }
    phase = .answered
    return true
  }

  /// The bus answered BecomeMonitor.
  mutating func setMonitor(_ isMonitor: Bool) { self.isMonitor = isMonitor }
}
