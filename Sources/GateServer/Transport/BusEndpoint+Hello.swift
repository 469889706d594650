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
  public func failure(toAnswerHelloWithin timeout: UInt64) -> String? {
    let deadline = clinux_milliseconds() + timeout
    for uid in [geteuid(), nil] {
      switch sayHello(as: uid, until: deadline) {
      case .answered: return nil
      case .failed(let text): return text
      case .rejected(let text): if uid == nil { return text }
      }
    }
    return nil
  }

  private func sayHello(as uid: UInt32?, until deadline: UInt64) -> Outcome {
    guard case .connected(let opened) = connect() else { return .failed("") }
    if opened.fd < 0 { return .failed("\(SystemError("cannot connect to the bus at \(address)", opened.fd))") }
    defer { closeDescriptor(opened.fd) }
    var handshake = ClientHandshake(uid: uid, anonymous: false, negotiateUnixFDs: true)
    var opening = HandshakeOutput()
    handshake.start(into: &opening)
    let said = opening.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0) } } + HelloMessage.bytes(serial: 1)
    _ = unsafe said.withUnsafeBytes { unsafe clinux_send_now(opened.fd, $0.baseAddress!, $0.count) }
    var heard: [UInt8] = []
    while true {
      let now = clinux_milliseconds()
      var poller = pollfd(fd: opened.fd, events: Int16(POLLIN), revents: 0)
      let isReady = unsafe now < deadline && poll(&poller, 1, Int32(clamping: deadline - now)) == 1
      if !isReady { return .failed("the bus at \(address) did not answer Hello within hello-timeout") }
      if !receive(opened.fd, &heard) { return .failed(Self.hungUp(address)) }
      if let outcome = outcome(of: &heard, &handshake, opened.alternative) { return outcome }
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
