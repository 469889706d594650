// Hello, for whoever has to say it without a session: to find out whether a bus would serve the gate.

import DBusWire

/// The first call of a connection to a bus.
///
/// Spec: "bus-messages-hello".
public enum HelloMessage {
  /// The call's bytes.
  public static func bytes(serial: UInt32) -> [UInt8] {
    var own = LocalOutput(limit: 0)
    LocalReply.appendHello(serial: serial, to: &own)
    return unsafe own.withBytes { unsafe Array($0) }
  }
}
