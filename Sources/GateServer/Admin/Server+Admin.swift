// Sockets for administration: metrics over HTTP, control by lines. Both are served in the loop that forwards messages, so both
// keep to the same bounds: few clients, of which the one that was silent longest is evicted; one answer at a time, of which no
// more is made than is sent next; a timeout for everything. Nothing here ever blocks a message.

import CLinux
import GateSession
import Glibc

extension Server {
  /// Clients accepted, per wake-up.
  private static let acceptsPerWakeup = 16
  /// Bytes that are read at a time, and that an answer is made ahead of what was sent.
  private static let chunk = 65536
  /// Milliseconds that accepting pauses when descriptors ran out.
  private static let pause: UInt64 = 500

  mutating func listen(for service: AdminService, path: String, mode: UInt32) throws(ListenFailure) {
    precondition(!adminSockets.contains { $0.service == service }, "one socket for each service")
    var options = SocketFileOptions()
    options.mode = mode
    let listener = try Self.listen(.path(path), options)
    let token = EventToken.adminListener(service)
    let result = clinux_epoll_control(epoll, EPOLL_CTL_ADD, listener.fd, EPOLLIN.rawValue, token.bits)
    if result < 0 {
      listener.close()
      throw .system(SystemError("cannot watch \(path)", result))
    }
    adminSockets.append(AdminSocket(service: service, listener: listener))
  }

  /// Closes the sockets and their clients, and removes the files that are still ours.
  mutating func closeAdminSockets() {
    for socket in adminSockets { socket.close() }
    adminSockets = []
  }

  private func place(of service: AdminService) -> Int? { adminSockets.firstIndex { $0.service == service } }

  // MARK: New clients

  mutating func acceptAdminClients(_ service: AdminService) {
    guard let at = place(of: service) else { return }
    for _ in 0..<Self.acceptsPerWakeup {
      let fd = clinux_accept(adminSockets[at].listener.fd)
      switch -fd {
      case EINTR, ECONNABORTED: continue
      case EMFILE, ENFILE, ENOBUFS, ENOMEM:
        adminSockets[at].isPaused = true
        _ = clinux_epoll_control(epoll, EPOLL_CTL_MOD, adminSockets[at].listener.fd, 0, EventToken.adminListener(service).bits)
        retryAt = now.advanced(byMilliseconds: Self.pause)
        return
      default:
        if fd < 0 { return }
        if mayAsk(service, fd) { welcome(fd, at) } else { closeDescriptor(fd) }
      }
    }
  }

  /// Control is for the gate's own user and for root, whatever the socket's mode is.
  private func mayAsk(_ service: AdminService, _ fd: Int32) -> Bool {
    if service == .metrics { return true }
    guard let peer = PeerCredentials(of: fd, over: .unix) else { return false }
    if peer.uid == 0 || peer.uid == geteuid() { return true }
    log.rejected(peer, "control: a client was turned away, expected the gate's own user or root")
    return false
  }

  private mutating func welcome(_ fd: Int32, _ at: Int) {
    let service = adminSockets[at].service
    while adminSockets[at].clients.count >= service.clientsMax {
      let silent = adminSockets[at].clients.indices.min {
        adminSockets[at].clients[$0].lastActive < adminSockets[at].clients[$1].lastActive
      }
      guard let silent else { break }
      closeDescriptor(adminSockets[at].clients.remove(at: silent).fd)
    }
    nextAdminID &+= 1
    let id = nextAdminID
    let result = clinux_epoll_control(
      epoll, EPOLL_CTL_ADD, fd, EPOLLIN.rawValue, EventToken.adminClient(service, id: id).bits)
    if result < 0 {
      closeDescriptor(fd)
      return
    }
    var client = AdminClient(id: id, fd: fd, interest: EPOLLIN.rawValue, lastActive: now)
    if service == .metrics { client.deadline = now.advanced(byMilliseconds: AdminService.patience) }
    note(client.deadline)
    adminSockets[at].clients.append(client)
  }

  mutating func resumeAcceptingAdminClients() {
    for at in adminSockets.indices where adminSockets[at].isPaused {
      adminSockets[at].isPaused = false
      _ = clinux_epoll_control(
        epoll, EPOLL_CTL_MOD, adminSockets[at].listener.fd, EPOLLIN.rawValue,
        EventToken.adminListener(adminSockets[at].service).bits)
    }
  }

  // MARK: Requests

  mutating func handleAdminClient(_ service: AdminService, id: UInt32, _ events: UInt32) {
    guard let at = place(of: service), let index = adminSockets[at].clients.firstIndex(where: { $0.id == id }) else { return }
    // Taken out of the array while it is served: its answer may look at everything else.
    var client = adminSockets[at].clients[index]
    adminSockets[at].clients[index].input = []
    adminSockets[at].clients[index].output = []
    if serve(&client, service, events) {
      adminSockets[at].clients[index] = client
      note(client.deadline)
    } else {
      adminSockets[at].clients.remove(at: index)
      closeDescriptor(client.fd)
    }
  }

  /// One read, one answer, one write: whatever a client sends, it has one turn per wake-up. False: it is to be closed.
  private mutating func serve(_ client: inout AdminClient, _ service: AdminService, _ events: UInt32) -> Bool {
    let wasReading = client.interest & EPOLLIN.rawValue != 0
    if wasReading && events & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 {
      if !read(&client, service) { return false }
    }
    if !client.hasOutput {
      switch service {
      case .metrics: answerHTTP(&client)
      case .control: answerControl(&client)
      }
      if client.hasOutput { client.deadline = now.advanced(byMilliseconds: AdminService.patience) }
    }
    if !write(&client, service) { return false }
    if !client.hasOutput && (client.closesAfterOutput || (client.isAtEnd && client.input.isEmpty)) { return false }
    return watch(&client, service)
  }

  private mutating func read(_ client: inout AdminClient, _ service: AdminService) -> Bool {
    let room = service.requestBytesMax - client.input.count
    precondition(room > 0, "read more than a request may have")
    let had = client.input.count
    let n = unsafe withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) { buffer in
      let n = unsafe clinux_read(client.fd, buffer.baseAddress!, room)
      if n > 0 { unsafe client.input.append(contentsOf: buffer[..<n]) }
      return n
    }
    if -n == EAGAIN || -n == EINTR { return true }
    if n < 0 { return false }
    client.isAtEnd = n == 0
    client.lastActive = now
    if had == 0 && n > 0 { client.deadline = now.advanced(byMilliseconds: AdminService.patience) }
    return true
  }

  private mutating func write(_ client: inout AdminClient, _ service: AdminService) -> Bool {
    if !client.hasOutput { return true }
    if client.sent == client.output.count { refill(&client) }
    let (fd, start) = (client.fd, client.sent)
    let n = unsafe client.output.withUnsafeMutableBytes { bytes in
      var part = unsafe iovec(iov_base: bytes.baseAddress! + start, iov_len: bytes.count - start)
      return unsafe clinux_send(fd, &part, 1, nil, 0)
    }
    if n < 0 { return -n == EAGAIN || -n == EINTR }
    client.sent += n
    client.lastActive = now
    if client.hasOutput {
      // A long answer may take long while its client goes on reading. An answer of metrics has one timeout for all of it.
      if service == .control { client.deadline = now.advanced(byMilliseconds: AdminService.patience) }
      return true
    }
    client.output = []
    client.sent = 0
    let timeout = client.input.isEmpty ? service.idleTimeout : AdminService.patience
    client.deadline = timeout.map { now.advanced(byMilliseconds: $0) }
    return true
  }

  /// More of a long answer, as much as is sent at a time.
  private func refill(_ client: inout AdminClient) {
    client.output.removeAll(keepingCapacity: true)
    client.sent = 0
    guard var listing = client.listing else { return }
    client.listing = nil
    if listing.write(into: &client.output, upTo: Self.chunk) { client.listing = listing }
  }

  /// Asks the kernel for what the client waits for: room for its answer, or its next bytes. What stands in the input already may hold
  /// another request, whose turn comes when the socket is found to have room.
  private mutating func watch(_ client: inout AdminClient, _ service: AdminService) -> Bool {
    let hasRequest =
      switch service {
      case .metrics: HTTPRequest.read(client.input) != .incomplete
      case .control: ControlRequest.isComplete(client.input, isAtEnd: client.isAtEnd)
      }
    let wanted = client.hasOutput || hasRequest ? EPOLLOUT.rawValue : EPOLLIN.rawValue
    if client.isAtEnd && wanted == EPOLLIN.rawValue { return false }
    if wanted == client.interest { return true }
    client.interest = wanted
    return clinux_epoll_control(epoll, EPOLL_CTL_MOD, client.fd, wanted, EventToken.adminClient(service, id: client.id).bits) == 0
  }

  // MARK: Deadlines

  private mutating func note(_ deadline: Instant?) {
    if let deadline, adminDeadline.map({ deadline < $0 }) ?? true { adminDeadline = deadline }
  }

  /// Closes clients that took too long.
  mutating func expireAdminClients() {
    guard let due = adminDeadline, now >= due else { return }
    adminDeadline = nil
    for at in adminSockets.indices {
      for index in adminSockets[at].clients.indices.reversed() {
        let client = adminSockets[at].clients[index]
        guard let deadline = client.deadline else { continue }
        if now < deadline {
          note(deadline)
          continue
        }
        if adminSockets[at].service == .metrics && !client.hasOutput && !client.input.isEmpty { sayTimeout(client.fd) }
        closeDescriptor(client.fd)
        adminSockets[at].clients.remove(at: index)
      }
    }
  }

  /// One attempt to send it: a client that is so slow may miss it.
  private func sayTimeout(_ fd: Int32) {
    var bytes = HTTPResponse.error(.requestTimeout, now: WallClock.milliseconds())
    unsafe bytes.withUnsafeMutableBytes { bytes in
      var part = unsafe iovec(iov_base: bytes.baseAddress!, iov_len: bytes.count)
      _ = unsafe clinux_send(fd, &part, 1, nil, 0)
    }
  }
}
