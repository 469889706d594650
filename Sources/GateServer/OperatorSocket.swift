// Sockets for whoever runs the gate: metrics over HTTP, control by lines. Both are questions and answers in the same loop as everything
// else, so both are held to the same bounds: few clients, of which the one that was silent longest gives way; one answer at a time, of
// which so much is made as is sent; a time for everything that somebody waits for. Nothing here ever blocks a message.

import CLinux
import GateSession
import Glibc

/// What is asked at such a socket.
enum OperatorService: Int, CaseIterable {
  case metrics
  case control

  /// Clients at a time.
  var clientsMax: Int {
    switch self {
    case .metrics: 16
    case .control: 8
    }
  }

  /// Bytes that a request may have.
  var requestBytesMax: Int {
    switch self {
    case .metrics: HTTPRequest.byteCountMax
    case .control: ControlRequest.byteCountMax
    }
  }

  /// Milliseconds that a client may be silent between two requests; nil: for ever. Prometheus asks every 15 s to 2 min.
  var idleTimeout: UInt64? {
    switch self {
    case .metrics: 120_000
    case .control: nil
    }
  }

  /// Milliseconds from a request's first byte to its last (or from accept, where one was to come), and for taking an answer.
  static let patience: UInt64 = 10_000
}

/// A client of such a socket.
struct OperatorClient {
  let id: UInt32
  let fd: Int32
  var input: [UInt8] = []
  /// The answer, of which `sent` bytes have left.
  var output: [UInt8] = []
  var sent = 0
  /// What is still to be written of a long answer.
  var listing: PolicyListing?
  /// The events that the kernel is asked for.
  var interest: UInt32
  var isAtEnd = false
  var closesAfterOutput = false
  /// When it last said or took something.
  var lastActive: Instant
  /// When it is closed unless something happens before.
  var deadline: Instant?

  var hasOutput: Bool { sent < output.count || listing != nil }
}

/// A listening socket and its clients.
struct OperatorSocket {
  let service: OperatorService
  let listener: ListeningSocket
  var clients: [OperatorClient] = []
  var isPaused = false

  /// Closes it and its clients, and removes its file if that is still ours.
  func close() {
    for client in clients { closeDescriptor(client.fd) }
    listener.close()
  }
}

extension Server {
  /// Clients accepted, per wake-up.
  private static let acceptsPerWakeup = 16
  /// Bytes that are read at a time, and that an answer is made ahead of what was sent.
  private static let chunk = 65536
  /// Milliseconds that accepting pauses when descriptors ran out.
  private static let pause: UInt64 = 500

  mutating func listen(for service: OperatorService, path: String, mode: UInt32) throws(ListenFailure) {
    precondition(!operators.contains { $0.service == service }, "one socket for each service")
    var options = SocketFileOptions()
    options.mode = mode
    let listener = try ListeningSocket(path: path, options)
    let tag = Tag.operatorListener(service)
    let result = clinux_epoll_control(epoll, EPOLL_CTL_ADD, listener.fd, EPOLLIN.rawValue, tag.bits)
    if result < 0 {
      listener.close()
      throw .system(SystemError("cannot watch \(path)", result))
    }
    operators.append(OperatorSocket(service: service, listener: listener))
  }

  /// Closes the sockets and their clients, and removes the files that are still ours.
  mutating func closeOperatorSockets() {
    for socket in operators { socket.close() }
    operators = []
  }

  private func place(of service: OperatorService) -> Int? { operators.firstIndex { $0.service == service } }

  // MARK: New clients

  mutating func acceptOperators(_ service: OperatorService) {
    guard let at = place(of: service) else { return }
    for _ in 0..<Self.acceptsPerWakeup {
      let fd = clinux_accept(operators[at].listener.fd)
      switch -fd {
      case EINTR, ECONNABORTED: continue
      case EMFILE, ENFILE, ENOBUFS, ENOMEM:
        operators[at].isPaused = true
        _ = clinux_epoll_control(epoll, EPOLL_CTL_MOD, operators[at].listener.fd, 0, Tag.operatorListener(service).bits)
        retryAt = now.advanced(byMilliseconds: Self.pause)
        return
      default:
        if fd < 0 { return }
        if mayAsk(service, fd) { welcome(fd, at) } else { closeDescriptor(fd) }
      }
    }
  }

  /// Control is for the gate's own user and for root, whatever the socket's mode was made.
  private func mayAsk(_ service: OperatorService, _ fd: Int32) -> Bool {
    if service == .metrics { return true }
    guard let peer = PeerCredentials(of: fd) else { return false }
    if peer.uid == 0 || peer.uid == geteuid() { return true }
    log.turnedAway(peer, "control: a client was turned away, expected the gate's own user or root")
    return false
  }

  private mutating func welcome(_ fd: Int32, _ at: Int) {
    let service = operators[at].service
    while operators[at].clients.count >= service.clientsMax {
      let silent = operators[at].clients.indices.min {
        operators[at].clients[$0].lastActive < operators[at].clients[$1].lastActive
      }
      guard let silent else { break }
      closeDescriptor(operators[at].clients.remove(at: silent).fd)
    }
    nextOperatorID &+= 1
    let id = nextOperatorID
    let result = clinux_epoll_control(
      epoll, EPOLL_CTL_ADD, fd, EPOLLIN.rawValue, Tag.operatorClient(service, id: id).bits)
    if result < 0 {
      closeDescriptor(fd)
      return
    }
    var client = OperatorClient(id: id, fd: fd, interest: EPOLLIN.rawValue, lastActive: now)
    if service == .metrics { client.deadline = now.advanced(byMilliseconds: OperatorService.patience) }
    note(client.deadline)
    operators[at].clients.append(client)
  }

  mutating func resumeAcceptingOperators() {
    for at in operators.indices where operators[at].isPaused {
      operators[at].isPaused = false
      _ = clinux_epoll_control(
        epoll, EPOLL_CTL_MOD, operators[at].listener.fd, EPOLLIN.rawValue, Tag.operatorListener(operators[at].service).bits)
    }
  }

  // MARK: Questions and answers

  mutating func handleOperator(_ service: OperatorService, id: UInt32, _ events: UInt32) {
    guard let at = place(of: service), let index = operators[at].clients.firstIndex(where: { $0.id == id }) else { return }
    // Out of the array while it is worked on: what it asks for looks at everything else.
    var client = operators[at].clients[index]
    operators[at].clients[index].input = []
    operators[at].clients[index].output = []
    if serve(&client, service, events) {
      operators[at].clients[index] = client
      note(client.deadline)
    } else {
      operators[at].clients.remove(at: index)
      closeDescriptor(client.fd)
    }
  }

  /// One read, one answer, one write: whatever a client sends, it has one turn per wake-up. False: it is to be closed.
  private mutating func serve(_ client: inout OperatorClient, _ service: OperatorService, _ events: UInt32) -> Bool {
    let wasReading = client.interest & EPOLLIN.rawValue != 0
    if wasReading && events & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 {
      if !read(&client, service) { return false }
    }
    if !client.hasOutput {
      switch service {
      case .metrics: answerHTTP(&client)
      case .control: answerControl(&client)
      }
      if client.hasOutput { client.deadline = now.advanced(byMilliseconds: OperatorService.patience) }
    }
    if !write(&client, service) { return false }
    if !client.hasOutput && (client.closesAfterOutput || (client.isAtEnd && client.input.isEmpty)) { return false }
    return watch(&client, service)
  }

  private mutating func read(_ client: inout OperatorClient, _ service: OperatorService) -> Bool {
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
    if had == 0 && n > 0 { client.deadline = now.advanced(byMilliseconds: OperatorService.patience) }
    return true
  }

  private mutating func write(_ client: inout OperatorClient, _ service: OperatorService) -> Bool {
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
      // A long answer may take long as long as it is taken; one of metrics is to be taken at once.
      if service == .control { client.deadline = now.advanced(byMilliseconds: OperatorService.patience) }
      return true
    }
    client.output = []
    client.sent = 0
    let timeout = client.input.isEmpty ? service.idleTimeout : OperatorService.patience
    client.deadline = timeout.map { now.advanced(byMilliseconds: $0) }
    return true
  }

  /// More of a long answer, as much as is sent at a time.
  private func refill(_ client: inout OperatorClient) {
    client.output.removeAll(keepingCapacity: true)
    client.sent = 0
    guard var listing = client.listing else { return }
    client.listing = nil
    if listing.write(into: &client.output, upTo: Self.chunk) { client.listing = listing }
  }

  /// Asks the kernel for what the client waits for: room for its answer, or its next bytes. What stands in the input already may hold
  /// another request, whose turn comes when the socket is found to have room.
  private mutating func watch(_ client: inout OperatorClient, _ service: OperatorService) -> Bool {
    let hasRequest =
      switch service {
      case .metrics: HTTPRequest.read(client.input) != .incomplete
      case .control: ControlRequest.isComplete(client.input, isAtEnd: client.isAtEnd)
      }
    let wanted = client.hasOutput || hasRequest ? EPOLLOUT.rawValue : EPOLLIN.rawValue
    if client.isAtEnd && wanted == EPOLLIN.rawValue { return false }
    if wanted == client.interest { return true }
    client.interest = wanted
    return clinux_epoll_control(epoll, EPOLL_CTL_MOD, client.fd, wanted, Tag.operatorClient(service, id: client.id).bits) == 0
  }

  // MARK: Deadlines

  private mutating func note(_ deadline: Instant?) {
    if let deadline, operatorDeadline.map({ deadline < $0 }) ?? true { operatorDeadline = deadline }
  }

  /// Closes clients that took too long.
  mutating func expireOperators() {
    guard let due = operatorDeadline, now >= due else { return }
    operatorDeadline = nil
    for at in operators.indices {
      for index in operators[at].clients.indices.reversed() {
        let client = operators[at].clients[index]
        guard let deadline = client.deadline else { continue }
        if now < deadline {
          note(deadline)
          continue
        }
        if operators[at].service == .metrics && !client.hasOutput && !client.input.isEmpty { sayTimeout(client.fd) }
        closeDescriptor(client.fd)
        operators[at].clients.remove(at: index)
      }
    }
  }

  /// One attempt: whoever is that slow need not read it either.
  private func sayTimeout(_ fd: Int32) {
    var bytes = HTTPResponse.error(.requestTimeout, now: WallClock.milliseconds())
    unsafe bytes.withUnsafeMutableBytes { bytes in
      var part = unsafe iovec(iov_base: bytes.baseAddress!, iov_len: bytes.count)
      _ = unsafe clinux_send(fd, &part, 1, nil, 0)
    }
  }
}
