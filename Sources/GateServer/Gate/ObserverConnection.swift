// The socket of a bus's observer: what GateSession's OwnerObserver says goes out, what the bus says comes in. Server+Observer decides when there
// is one.

import CLinux
import GatePolicy
import GateSession
import Glibc

/// A bus's observer as the server has it: where it writes what it knows, and its connection while there is one.
final class ObserverConnection {
  /// What came of reading.
  enum Reading {
    /// All that there was has been read.
    case heard
    /// The bus rejected our uid.
    case rejected
    /// The connect in progress came to nothing: -errno.
    case unconnected(Int32)
    /// The connection is over.
    case failed(String)
  }

  /// The buffer at first; it grows to what one message needs. Most often an owner's change, of some 300 bytes.
  private static let bufferBytesMin = 65_536
  /// Bytes read in one go: no peer that talks to the observer can hold up the loop. A socket holds a few hundred kilobytes. Untuned.
  private static let readBytesMax = 2_097_152

  let directory: OwnerDirectory
  private(set) var fd: Int32 = -1
  /// Which alternative of the bus's address it was opened to.
  private(set) var alternative = 0
  /// Whether it sent our uid.
  private(set) var saysUID = true
  private(set) var machine: OwnerObserver?
  private var buffer: [UInt8] = []
  /// Where so much was read in one go the socket may have been full, and the bus have more: of small messages a socket holds some 26 KB.
  private static let fullBytesMin = 16_384

  /// So often in a row the end is asked for while clients go on waiting for it.
  private static let roundsMax = 3

  /// Bytes of the buffer that wait for more behind them.
  private var count = 0
  /// What the bus said of itself; nil: nothing yet.
  private(set) var bus: BusIdentity?
  /// Its socket's events.
  var source: EventSource.ID?
  /// Whether the connect is in progress.
  private(set) var isConnecting = false
  /// When the bus has to have answered.
  var deadline: Instant?
  /// When it is tried again.
  var retryAt: Instant?
  /// Whether the bus was asked for the end of what it has to say, and has not answered.
  private(set) var isAsked = false
  /// Whether it has just answered that.
  private var isAtEnd = false
  /// How often in a row there was more when the end came.
  private var rounds = 0
  /// Whether a peer has talked to us since more was looked for.
  private var isTalkedTo = false
  /// Attempts that failed since the last one that was answered.
  var failures = 0
  /// Connections that were lost, one soon after the other: each is tried again later than the one before.
  private(set) var losses = 0
  /// When all that was asked was answered, if it was.
  private var knownSince: Instant?
  /// Whether somebody owns other names than the sessions have taken note of.
  var isNews = false
  /// Whether what waits for owners may go on.
  var isSettled = false
  /// Whether the observer has another name than the sessions have taken note of.
  var isNamed = false

  init(ownersMax: Int) { directory = OwnerDirectory(ownersMax: ownersMax) }

  var isOpen: Bool { fd >= 0 }

  /// Takes a connection.
  ///
  /// - Parameter uid: Our own; nil: the transport's credentials say it.
  /// - Returns: False: the transport carries none, and without a name the gate may not be there.
  func open(_ opened: BusEndpoint.Opened, isConnecting: Bool, uid: UInt32?, allowsAnonymous: Bool) -> Bool {
    precondition(!isOpen, "an observer has one connection")
    fd = opened.fd
    (alternative, saysUID, self.isConnecting) = (opened.alternative, uid != nil, isConnecting)
    machine = OwnerObserver(directory, ownUID: uid, over: opened.transport, allowsAnonymous: allowsAnonymous)
    buffer = [UInt8](repeating: 0, count: Self.bufferBytesMin)
    count = 0
    return machine != nil
  }

  /// Closes the connection. Nothing is known from then on.
  func close() {
    closeDescriptor(fd)
    fd = -1
    machine = nil
    bus = nil
    buffer = []
    count = 0
    source = nil
    isConnecting = false
    deadline = nil
    knownSince = nil
    (isAsked, isAtEnd, isTalkedTo) = (false, false, false)
    directory.lose()
    (isNews, isSettled) = (true, true)
  }

  /// All that was asked was answered.
  func noteAnswers(at now: Instant) {
    failures = 0
    if knownSince == nil { knownSince = now }
  }

  /// Closes a connection that is lost, or counts an attempt that failed. After one that held for longer than the longest pause,
  /// pauses are short again.
  ///
  /// - Returns: After how many milliseconds it may be tried again.
  func lose(at now: Instant, pause: (first: UInt64, last: UInt64)) -> UInt64 {
    if let since = knownSince, now >= since.advanced(byMilliseconds: pause.last) { losses = 0 }
    close()
    let next = min(pause.first << UInt64(min(losses, 10)), pause.last)
    losses += 1
    failures += 1
    return next
  }

  deinit { closeDescriptor(fd) }

  /// No policy asks any more: what went wrong is forgotten.
  func rest() {
    (retryAt, failures, losses) = (nil, 0, 0)
  }

  func follow(_ policies: [Policy]) {
    if isOpen { machine?.follow(policies) } else { directory.follow(policies, isConnected: false) }
  }

  /// Reads what the bus has sent.
  func read() -> Reading {
    if isConnecting {
      let result = BusEndpoint.Opened.result(of: fd)
      if result == -EINPROGRESS { return .heard }
      if result < 0 { return .unconnected(result) }
      isConnecting = false
    }
    var total = 0
    while total < Self.readBytesMax {
      if buffer.count - count < 1024 { buffer += [UInt8](repeating: 0, count: buffer.count) }
      let room = buffer.count - count
      let n = unsafe buffer.withUnsafeMutableBytes { unsafe clinux_read(fd, $0.baseAddress! + count, room) }
      if n == -Int(EAGAIN) { break }
      if n == -Int(EINTR) { continue }
      if n == 0 { return .failed("the bus closed the connection") }
      if n < 0 { return .failed("\(SystemError("cannot read", Int32(n)))") }
      count += n
      total += n
      if let ended = hear() { return ended }
      if n < room { break }
    }
    if total > 0 { lookForMore(isFull: total >= Self.fullBytesMin) }
    return .heard
  }

  /// Keeps decisions waiting as long as the bus may have more to send. Where peers send to the observer, the bus has a queue, of
  /// which it passes on a part at a time. So the bus is asked for the end, and what depends on owners waits. Where more comes
  /// again and again until that end, nobody waits any more, and deny rules with a name hold for every unique name until it is
  /// over.
  private func lookForMore(isFull: Bool) {
    let wasAtEnd = isAtEnd
    if isAtEnd { (isAtEnd, isAsked) = (false, false) }
    let isMore = isFull || isTalkedTo
    if !isAsked { isTalkedTo = false }
    if isMore || count > 0 || machine?.isWithinMessage ?? false {
      if isAsked || !(directory.isUsed || wasAtEnd) || !(machine?.askForEnd() ?? false) { return }
      isAsked = true
      rounds = wasAtEnd ? rounds + 1 : 0
      if rounds >= Self.roundsMax { directory.isBehind = true }
      directory.isCatchingUp = !directory.isBehind
    } else if wasAtEnd {
      (directory.isBehind, directory.isCatchingUp) = (false, false)
    } else {
      return
    }
    isNews = true
    if !directory.isCatchingUp { isSettled = true }
  }

  private func hear() -> Reading? {
    guard let progress = unsafe machine?.receive(buffer.span.bytes.extracting(0..<count)) else { return nil }
    if let identity = progress.bus { bus = identity }
    if progress.isNews { isNews = true }
    if progress.isNamed { (isNews, isNamed) = (true, true) }
    if progress.isSettled { isSettled = true }
    if progress.isAtEnd { isAtEnd = true }
    if progress.isTalkedTo { isTalkedTo = true }
    if progress.consumed > 0 {
      buffer.replaceSubrange(0..<count - progress.consumed, with: Array(buffer[progress.consumed..<count]))
      count -= progress.consumed
      if buffer.count > Self.bufferBytesMin && count <= Self.bufferBytesMin / 2 { shrink() }
    }
    switch progress.failure {
    case nil: return nil
    case .handshake(let failure):
      if case .busRejected = failure { return .rejected }
      return .failed("\(failure)")
    case .malformed(let error): return .failed("what the bus says is no D-Bus: \(error)")
    case .refused(let method): return .failed("the bus refused \(method)")
    }
  }

  /// Gives back to the kernel what one large answer took.
  private func shrink() {
    buffer = Array(buffer[..<count]) + [UInt8](repeating: 0, count: Self.bufferBytesMin - count)
    clinux_give_back_memory()
  }

  /// Sends what waits. Returns whether something is left.
  func send() -> Bool {
    guard !isConnecting, let waiting = machine?.output.count, waiting > 0 else { return false }
    let sent = unsafe machine?.output.withBytes { unsafe clinux_send_now(fd, $0.baseAddress!, $0.count) } ?? 0
    if sent > 0 { machine?.output.removeFirst(sent) }
    return sent < waiting
  }
}
