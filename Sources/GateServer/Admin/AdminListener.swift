// Sockets for administration: metrics over HTTP, control by lines. Both are served in the loop that forwards messages, so both
// keep to the same bounds: few clients, of which the one that was silent longest is evicted; one answer at a time, of which no
// more is made than is sent next; a timeout for everything. Nothing here ever blocks a message.

import CLinux
import GateSession
import Glibc

extension Server {
  mutating func listen(
    for service: AdminService, path: String, mode: UInt32, replacesHalfMade: Bool
  ) throws(ListenFailure) {
    precondition(!admin.contains { $0.service == service }, "one socket for each service")
    var options = SocketFileOptions()
    options.mode = mode
    let socket = try ListeningSocket(path: path, options, takesOverHalfMade: replacesHalfMade)
    let listener = AdminListener(service, socket)
    defer { finishCall() }
    do throws(SystemError) { try listener.register(in: &self) } catch {
      listener.close(&self)
      throw .system(SystemError("cannot watch \(path)", error.number))
    }
    admin.append(listener)
  }

  /// Closes the sockets and their clients, and removes the files that are still ours.
  mutating func closeAdmin() {
    for listener in admin { listener.close(&self) }
    admin = []
  }
}

/// A listening socket for administration, and its clients.
final class AdminListener {
  /// Clients accepted, per wake-up.
  private static let acceptsPerWakeup = 16

  let service: AdminService
  private let socket: ListeningSocket
  private var source: EventSource.ID?
  private var clients: [AdminClient] = []
  private var isPaused = false
  private var isClosed = false

  init(_ service: AdminService, _ socket: ListeningSocket) { (self.service, self.socket) = (service, socket) }

  deinit { if !isClosed { socket.close() } }

  func register(in server: inout Server) throws(SystemError) {
    source = try server.addSource(socket.fd, PollSet.readable) { [unowned self] server, _, _ in accept(&server) }
  }

  /// Closes it and its clients, and removes its file if that is still ours.
  func close(_ server: inout Server) {
    for client in clients { client.close(&server) }
    clients = []
    if let source { server.sources.remove(source) }
    source = nil
    if !isClosed { socket.close() }
    isClosed = true
  }

  // MARK: New clients

  private func accept(_ server: inout Server) {
    resumeAccepting(&server)
    for _ in 0..<Self.acceptsPerWakeup {
      let fd = clinux_accept(socket.fd)
      switch -fd {
      case EINTR, ECONNABORTED: continue
      case EMFILE, ENFILE, ENOBUFS, ENOMEM:
        pause(&server)
        return
      default:
        if fd < 0 { return }
        if mayAsk(fd, server.io.log) { welcome(fd, &server) } else { closeDescriptor(fd) }
      }
    }
  }

  /// Control is for the gate's own user and for root, whatever the socket's mode is.
  private func mayAsk(_ fd: Int32, _ log: Log) -> Bool {
    if service == .metrics { return true }
    guard let peer = PeerCredentials(of: fd, over: .unix) else { return false }
    if peer.uid == 0 || peer.uid == geteuid() { return true }
    log.rejected(peer, "control: a client was turned away, expected the gate's own user or root")
    return false
  }

  private func welcome(_ fd: Int32, _ server: inout Server) {
    while clients.count >= service.clientsMax, let silent = longestSilent { forget(silent, &server) }
    let client = AdminClient(service, fd, at: server.io.now)
    do throws(SystemError) {
      try client.register(in: &server) { [unowned self] server, events in handle(client, events, &server) }
    } catch {
      closeDescriptor(fd)
      return
    }
    clients.append(client)
  }

  /// Something happened to a client. What it asked for may have closed this listener.
  private func handle(_ client: AdminClient, _ events: EventSource.Events, _ server: inout Server) {
    if !client.handle(events, &server) { forget(client, &server) }
  }

  /// Who gives way to the next; whoever waits for a reload, last.
  private var longestSilent: AdminClient? {
    clients.min { ($0.waitsFor == nil ? 0 : 1, $0.lastActive) < ($1.waitsFor == nil ? 0 : 1, $1.lastActive) }
  }

  /// The client that waits for this reload, if it is still there.
  func client(waitingFor request: ReloadRequest) -> AdminClient? { clients.first { $0.waitsFor == request } }

  private func forget(_ client: AdminClient, _ server: inout Server) {
    client.close(&server)
    clients.removeAll { $0 === client }
  }

  // MARK: Out of descriptors

  private func pause(_ server: inout Server) {
    guard let source else { return }
    isPaused = true
    server.isAcceptingPaused = true
    _ = server.sources.setInterest(source, 0)
    server.sources.setDeadline(source, server.io.now.advanced(byMilliseconds: Server.acceptPause))
  }

  /// A moment has passed, or a connection has ended.
  func resumeAccepting(_ server: inout Server) {
    guard isPaused, let source else { return }
    isPaused = false
    _ = server.sources.setInterest(source, PollSet.readable)
  }
}
