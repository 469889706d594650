// A client of an admin socket: its request, its answer, its deadline. One read, one answer, one write: whatever it sends, it has one turn per
// wake-up.

import CLinux
import GateSession
import Glibc

/// A client of an admin socket.
final class AdminClient {
  /// Bytes that an answer is made ahead of what was sent.
  private static let chunk = 65_536

  let service: AdminService
  private let fd: Int32
  private var source: EventSource.ID?
  var input: [UInt8] = []
  /// The answer, of which `sent` bytes have left.
  var output: [UInt8] = []
  private var sent = 0
  /// What is still to be written of a long answer.
  var listing: PolicyListing?
  /// The reload that it waits for, as long as that takes. Nothing more of it is read meanwhile.
  var waitsFor: ReloadRequest?
  /// The events that the kernel is asked for.
  private var interest = PollSet.readable
  private(set) var isAtEnd = false
  var closesAfterOutput = false
  /// When it last sent or took bytes.
  private(set) var lastActive: Instant
  /// When it is closed unless something happens before.
  private var deadline: Instant?

  init(_ service: AdminService, _ fd: Int32, at now: Instant) {
    (self.service, self.fd, lastActive) = (service, fd, now)
    if service == .metrics { deadline = now.advanced(byMilliseconds: AdminService.patience) }
  }

  /// A server that is dropped closes nobody.
  deinit { if source != nil { closeDescriptor(fd) } }

  private var hasOutput: Bool { sent < output.count || listing != nil }

  func register(
    in server: inout Server, _ handle: @escaping (inout Server, EventSource.Events) -> Void
  ) throws(SystemError) {
    source = try server.addSource(fd, interest, deadline: deadline) { server, _, events in handle(&server, events) }
  }

  func close(_ server: inout Server) {
    guard let source else { return }
    if waitsFor != nil { sayNothingCame() }
    server.sources.remove(source)
    self.source = nil
    closeDescriptor(fd)
  }

  /// False: it is to be closed.
  func handle(_ events: EventSource.Events, _ server: inout Server) -> Bool {
    let now = server.io.now
    if events.contains(.expired) {
      if service == .metrics && !hasOutput && !input.isEmpty { sayTimeout() }
      return false
    }
    if waitsFor != nil { return !events.contains(.hungUp) }
    if interest == PollSet.readable && !events.isDisjoint(with: [.readable, .hungUp]) && !read(at: now) { return false }
    if !hasOutput {
      switch service {
      case .metrics: server.answerHTTP(self)
      case .control: server.answerControl(self)
      }
      // Whoever reloads may have stopped the server.
      if source == nil { return false }
      if waitsFor != nil {
        deadline = nil
        return watch(&server)
      }
      if hasOutput { deadline = now.advanced(byMilliseconds: AdminService.patience) }
    }
    if !write(at: now) { return false }
    if !hasOutput && (closesAfterOutput || (isAtEnd && input.isEmpty)) { return false }
    return watch(&server)
  }

  /// What it waited for is there, and is sent when the socket is found to have room.
  func take(_ answer: [UInt8], _ server: inout Server) {
    waitsFor = nil
    output = answer
    deadline = server.io.now.advanced(byMilliseconds: AdminService.patience)
    // The kernel has no memory for it: then the deadline ends it.
    _ = watch(&server)
  }

  private func read(at now: Instant) -> Bool {
    let room = service.requestBytesMax - input.count
    precondition(room > 0, "read more than a request may have")
    let had = input.count
    let n = unsafe withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) { buffer in
      let n = unsafe clinux_read(fd, buffer.baseAddress!, room)
      if n > 0 { unsafe input.append(contentsOf: buffer[..<n]) }
      return n
    }
    if -n == EAGAIN || -n == EINTR { return true }
    if n < 0 { return false }
    isAtEnd = n == 0
    lastActive = now
    if had == 0 && n > 0 { deadline = now.advanced(byMilliseconds: AdminService.patience) }
    return true
  }

  private func write(at now: Instant) -> Bool {
    if !hasOutput { return true }
    if sent == output.count { refill() }
    let n = send(from: sent)
    if n < 0 { return -n == EAGAIN || -n == EINTR }
    sent += n
    lastActive = now
    if hasOutput {
      // A long answer may take long while its client goes on reading. An answer of metrics has one timeout for all of it.
      if service == .control { deadline = now.advanced(byMilliseconds: AdminService.patience) }
      return true
    }
    output = []
    sent = 0
    let timeout = input.isEmpty ? service.idleTimeout : AdminService.patience
    deadline = timeout.map { now.advanced(byMilliseconds: $0) }
    return true
  }

  private func send(from start: Int) -> Int {
    unsafe output.withUnsafeBytes { unsafe clinux_send_now(fd, $0.baseAddress! + start, $0.count - start) }
  }

  /// More of a long answer, as much as is sent at a time.
  private func refill() {
    output.removeAll(keepingCapacity: true)
    sent = 0
    guard var more = listing else { return }
    listing = nil
    if more.write(into: &output, upTo: Self.chunk) { listing = more }
  }

  /// Asks the kernel for what the client waits for: room for its answer, or its next bytes. What stands in the input already may hold
  /// another request, whose turn comes when the socket is found to have room.
  private func watch(_ server: inout Server) -> Bool {
    guard let source else { return false }
    let hasRequest =
      switch service {
      case .metrics: HTTPRequest.read(input) != .incomplete
      case .control: ControlRequest.isComplete(input, isAtEnd: isAtEnd)
      }
    interest = waitsFor != nil ? 0 : hasOutput || hasRequest ? PollSet.writable : PollSet.readable
    if isAtEnd && interest == PollSet.readable { return false }
    server.sources.setDeadline(source, deadline)
    return server.sources.setInterest(source, interest) == 0
  }

  /// The server stops, or there are too many that wait. One attempt, too.
  private func sayNothingCame() {
    output =
      Array(#"{"error":"nothing is known of the reload: the gate stops, or others wait, too"}"#.utf8) + [UInt8(ascii: "\n")]
    _ = send(from: 0)
  }

  /// One attempt: a client that is so slow may miss it.
  private func sayTimeout() {
    output = HTTPResponse.error(.requestTimeout, now: WallClock.milliseconds())
    _ = send(from: 0)
  }
}
