// unix: a socket in the file system or in the abstract name space.

import CLinux
import DBusWire
import GateSession
import Glibc

/// A Unix socket to connect to. It connects at once or not at all; EAGAIN means that there are as many waiting to be accepted as may.
struct UnixConnector: BusConnector {
  static let transport = Transport.unix
  static let forms = ["unix:path=", "unix:abstract="]

  private let name: UnixSocketName

  /// Spec: "transports-unix-domain-sockets".
  init(_ address: BusAddress, in text: String) throws(UsageError) {
    let keys = address.parameters.map(\.key).filter { ["path", "abstract", "runtime", "dir", "tmpdir"].contains($0) }
    if keys.contains(where: { $0 == "runtime" || $0 == "dir" || $0 == "tmpdir" }) {
      throw UsageError("bus address \"\(text)\": \(keys[0])= is for listening only, expected unix:path= or unix:abstract=")
    }
    if keys.count == 1, let path = address["path"] {
      name = UnixSocketName(path: path)
    } else if keys.count == 1, let abstract = address["abstract"] {
      name = UnixSocketName(abstract: abstract)
    } else {
      throw UsageError("bus address \"\(text)\": expected exactly one of path and abstract")
    }
  }

  func connect() -> ConnectAttempt {
    let fd = clinux_socket_unix()
    if fd < 0 { return ConnectAttempt(result: fd) }
    let result = name.connect(fd)
    if result == 0 { return .connected(fd) }
    closeDescriptor(fd)
    return ConnectAttempt(result: result)
  }
}
