// Whether a bus would serve the gate, asked once at the start. A bus that accepts connections may still refuse: it lets everybody
// authenticate, and hangs up on those whom its policy does not let in.

import CLinux
import DBusWire
import GateSession
import Glibc

extension BusEndpoint {
  /// What a Hello came to.
  private enum Outcome {
    case answered
    /// It does not take our uid, but may know us by another.
    case rejected(String)
    case failed(String)
  }

  /// What keeps the bus from answering a Hello within so many milliseconds; nil: nothing does. Waits that long.
  ///
  /// - Parameter allowsAnonymous: Whether the gate may be nobody there, where the transport carries no credentials.
  public func failure(toAnswerHelloWithin timeout: UInt64, allowsAnonymous: Bool = false) -> String? {
    let deadline = clinux_milliseconds() + timeout
    for uid in [geteuid(), nil] {
      switch sayHello(as: uid, allowsAnonymous, until: deadline) {
      case .answered: return nil
      case .failed(let text): return text
      case .rejected(let text): if uid == nil { return text }
      }
    }
    return nil
  }

  private func sayHello(as uid: UInt32?, _ allowsAnonymous: Bool, until deadline: UInt64) -> Outcome {
    let opened: Opened
    do throws(SystemError) { opened = try open(until: deadline) } catch { return .failed("\(error)") }
    defer { closeDescriptor(opened.fd) }
    guard
      var handshake = ClientHandshake(
        over: opened.transport, uid: uid, allowsAnonymous: allowsAnonymous, negotiateUnixFDs: true)
    else { return .failed("the bus at \(address): \(HandshakeFailure.busTransportWithoutCredentials)") }
    var opening = HandshakeOutput()
    handshake.start(into: &opening)
    let said = opening.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0) } } + HelloMessage.bytes(serial: 1)
    _ = unsafe said.withUnsafeBytes { unsafe clinux_send_now(opened.fd, $0.baseAddress!, $0.count) }
    var heard: [UInt8] = []
    while true {
      if !Self.wait(for: POLLIN, on: opened.fd, until: deadline) {
        return .failed("the bus at \(address) did not answer Hello within hello-timeout")
      }
      if !receive(opened.fd, &heard) { return .failed(Self.hungUp(address)) }
      if let outcome = outcome(of: &heard, &handshake, opened.alternative) { return outcome }
    }
  }

  /// Milliseconds until a bus that has no room is tried again.
  private static let busyInterval: Int32 = 10

  /// Opens a connection, and waits for it: until the bus has room, and until it is known what came of one in progress.
  private func open(until deadline: UInt64) throws(SystemError) -> Opened {
    let attempt = "cannot connect to the bus at \(address)"
    var opening = connect()
    while true {
      switch opening {
      case .connected(let opened): return opened
      case .failed(let number): throw SystemError(attempt, number)
      case .busy:
        if clinux_milliseconds() >= deadline { throw SystemError(attempt, EAGAIN) }
        _ = poll(nil, 0, Self.busyInterval)
        opening = connect()
      case .inProgress(let opened):
        let isKnown = Self.wait(for: POLLOUT, on: opened.fd, until: deadline)
        let result = isKnown ? opened.result() : -ETIMEDOUT
        if result == 0 { return opened }
        closeDescriptor(opened.fd)
        if !isKnown { throw SystemError(attempt, result) }
        opening = connect(from: opened.alternative + 1, after: result)
      }
    }
  }

  /// Waits for these events of a descriptor, or for its end. False: the deadline is over.
  private static func wait(for events: Int32, on fd: Int32, until deadline: UInt64) -> Bool {
    var poller = pollfd(fd: fd, events: Int16(events), revents: 0)
    while true {
      let now = clinux_milliseconds()
      let count = unsafe now < deadline ? poll(&poller, 1, Int32(clamping: deadline - now)) : 0
      if count >= 0 || errno != EINTR { return count == 1 }
    }
  }

  /// The sentence about a bus that hangs up before Hello is answered.
  static func hungUp(_ address: String) -> String {
    "the bus at \(address) hung up before Hello was answered (does it let in uid \(geteuid()), which the gate runs as?)"
  }

  private func receive(_ fd: Int32, _ heard: inout [UInt8]) -> Bool {
    var chunk = [UInt8](repeating: 0, count: 4096)
    let count = unsafe chunk.withUnsafeMutableBytes { unsafe clinux_receive_now(fd, $0.baseAddress!, $0.count) }
    if -count == EAGAIN || -count == EINTR { return true }
    if count > 0 { heard += chunk[..<count] }
    return count > 0
  }

  /// The outcome; nil as long as it is not known.
  private func outcome(of heard: inout [UInt8], _ handshake: inout ClientHandshake, _ alternative: Int) -> Outcome? {
    let (consumed, step) = unsafe handshake.receive(heard.span.bytes)
    heard.removeFirst(consumed)
    switch step {
    case .needsBytes: return nil
    case .close(.busRejected(let offered)):
      return .rejected("the bus at \(address): \(HandshakeFailure.busRejected(offered: offered))")
    case .close(let failure): return .failed("the bus at \(address): \(failure)")
    case .done(let identity):
      if let guid = guid(ofAlternative: alternative, missedBy: identity) {
        return .failed("the bus at \(address) is another one: its GUID is not \(guid)")
      }
      if heard.count < MessageFrame.byteCount { return nil }
      guard let frame = try? MessageFrame(unsafe heard.span.bytes) else {
        return .failed("the bus at \(address) does not speak D-Bus")
      }
      return frame.type == .methodReturn ? .answered : .failed("the bus at \(address) refused Hello")
    }
  }
}
