// Who the client of a connection is, as logs and status tell it.

/// The client of a connection.
struct ClientIdentity {
  /// Number of the connection since the start.
  let number: UInt64
  /// Nil where the transport has no credentials.
  let peer: PeerCredentials?
  /// The log of its gate.
  let log: GateLog
  private let socket: Int32
  /// What it has in common with the clients with which it is counted as one, as a number; 0 until the log wants it.
  var kin: UInt64 = 0
  /// Its control group; nil until the log wants it, empty if it could not be read.
  private var knownCgroup: String?

  init(number: UInt64, peer: PeerCredentials?, log: GateLog, socket: Int32) {
    (self.number, self.peer, self.log, self.socket) = (number, peer, log, socket)
  }

  /// Its control group; empty if it could not be read. Asked while the connection is open.
  var cgroup: String {
    mutating get {
      let cgroup = knownCgroup ?? peer?.cgroup(socket: socket) ?? ""
      knownCgroup = cgroup
      return cgroup
    }
  }
}
