// Why a handshake came to nothing. The peer's fault, always: a value for the log, never thrown.

import DBusWire

/// The reason for which a handshake ends the connection.
///
/// Source: ours.
public enum HandshakeFailure: Equatable, Sendable {
  /// The client's first byte is not NUL.
  case noLeadingNUL
  /// The client sent 16384 bytes without a line end.
  case lineTooLong
  /// The client sent BEGIN without having been told OK.
  case beginBeforeAuth
  /// The client was rejected for the sixth time.
  case tooManyRejects

  /// The bus answered REJECTED; what it has instead, as it wrote it.
  case busRejected(offered: String)
  /// The bus answered ERROR where OK was due; its words.
  case busError(String)
  /// The bus answered OK with something that is no GUID.
  case busGUID(String)
  /// The bus sent 16384 bytes without a line end.
  case busLineTooLong
  /// The bus sent a line that makes no sense here.
  case busLine(String)
  /// The transport to the bus tells nobody's credentials, and the gate may not be nobody there. Nothing was said to the bus.
  case busTransportWithoutCredentials
}

extension HandshakeFailure: CustomStringConvertible {
  /// One sentence, in printable ASCII whatever the peer sent.
  public var description: String {
    switch self {
    case .noLeadingNUL:
      "the client's first byte is not NUL: it does not speak D-Bus"
    case .lineTooLong:
      "the client sent \(LineFinder.lineBytesMax) bytes without a line end while authenticating"
    case .beginBeforeAuth:
      "the client sent BEGIN before it was authenticated"
    case .tooManyRejects:
      "the client was rejected \(ServerHandshake.rejectsMax) times: check the uid it claims and the mechanism it asks for"
    case .busRejected(let offered) where offered.isEmpty:
      "the bus does not accept the gate's uid, and names no mechanism that it would accept"
    case .busRejected(let offered):
      "the bus does not accept the gate's uid or mechanism; it offers: \(offered)"
    case .busError(let text):
      "the bus answered authentication with an error: \(text)"
    case .busGUID(let text):
      "the bus's GUID is not 32 hexadecimal digits: '\(text)'"
    case .busLineTooLong:
      "the bus sent \(LineFinder.lineBytesMax) bytes without a line end: is the address that of a message bus?"
    case .busLine(let line):
      "the bus sent '\(line)' while authenticating: is the address that of a message bus?"
    case .busTransportWithoutCredentials:
      "the bus is behind a transport that carries no credentials, and the gate is not allowed to be anonymous there"
    }
  }

  /// What a peer wrote, fit for a log: printable ASCII, other bytes as `?`, cut at 80 bytes.
  static func excerpt(_ bytes: RawSpan) -> String {
    let bytesMax = 80
    var text = ""
    for offset in 0..<min(bytes.byteCount, bytesMax) {
      let byte = bytes.byte(at: offset)
      text.unicodeScalars.append(byte >= 0x20 && byte <= 0x7E ? Unicode.Scalar(byte) : "?")
    }
    return bytes.byteCount > bytesMax ? text + "..." : text
  }
}
