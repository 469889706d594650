// One question to a gate's admin socket, from outside: blocking, with a deadline. For programs that ask a running gate, not for the gate.

import CLinux
import Glibc

/// A question to the control or the metrics socket of a running gate.
public struct AdminCall: Sendable {
  /// Why there is no answer: a line for people.
  public struct Failure: Error, Sendable, CustomStringConvertible {
    /// What is wrong, and what was expected.
    public let description: String
    /// A failure that `description` tells.
    public init(description: String) { self.description = description }
  }

  /// Which socket.
  public enum Service: Sendable {
    /// That of `--control`, which answers a line with a line.
    case control
    /// That of `--metrics`, which answers HTTP.
    case metrics
  }

  private let path: String
  private let service: Service
  /// When it is given up, in milliseconds of the monotonic clock; nil: never.
  private let deadline: UInt64?
  private let patience: UInt64

  /// A question to the socket at `path`, which may be longer than a socket address.
  ///
  /// - Parameter milliseconds: When it is given up; nil: never.
  public init(_ service: Service, at path: String, within milliseconds: UInt64?) {
    (self.service, self.path, patience) = (service, path, milliseconds ?? 0)
    deadline = milliseconds.map { clinux_milliseconds() + $0 }
  }

  /// Milliseconds until a socket that has no room is tried again.
  private static let busyInterval: Int32 = 10

  /// Bytes of an answer that are taken. The longest is that of `policy`, some 400 for each rule.
  private static let answerBytesMax = 64 << 20

  /// Sends `request`, and waits for what is answered: a line of a control socket, everything of another.
  public func answer(to request: [UInt8]) throws(Failure) -> [UInt8] {
    let fd = try connect()
    defer { closeDescriptor(fd) }
    try send(request, to: fd)
    var answer: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while service == .metrics || answer.last != UInt8(ascii: "\n") {
      try wait(for: POLLIN, on: fd)
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe clinux_receive_now(fd, $0.baseAddress!, $0.count) }
      if -count == EAGAIN || -count == EINTR { continue }
      // What came before the end of a connection that broke is still an answer.
      if count == 0 || -count == ECONNRESET { break }
      if count < 0 { throw failure(Int32(count)) }
      answer += chunk[..<count]
      // A control socket says nothing more, and does not close.
      if service == .metrics, !answer.starts(with: "HTTP/".utf8.prefix(answer.count)) { break }
      if answer.count > Self.answerBytesMax { throw failure("an answer without end", expected: socket) }
    }
    if answer.isEmpty { throw failure("closed without an answer", expected: nobodyElse) }
    return answer
  }

  private func connect() throws(Failure) -> Int32 {
    let fd = clinux_socket_unix()
    if fd < 0 { throw failure(fd) }
    let name = UnixSocketName(path: path)
    var result = name.connect(fd)
    while result == -EAGAIN || result == -EINTR {
      if isOver { break }
      _ = poll(nil, 0, Self.busyInterval)
      result = name.connect(fd)
    }
    if result == 0 { return fd }
    closeDescriptor(fd)
    throw result == -EAGAIN ? late : failure(result)
  }

  private func send(_ request: [UInt8], to fd: Int32) throws(Failure) {
    var at = 0
    while at < request.count {
      let count = unsafe request.withUnsafeBytes { unsafe clinux_send_now(fd, $0.baseAddress! + at, $0.count - at) }
      if -count == EAGAIN || -count == EINTR {
        try wait(for: POLLOUT, on: fd)
      } else if -count == EPIPE {
        // It was turned away; an answer may say why.
        return
      } else if count < 0 {
        throw failure(Int32(count))
      } else {
        at += count
      }
    }
  }

  // MARK: Waiting

  private var isOver: Bool { deadline.map { clinux_milliseconds() >= $0 } ?? false }

  private func wait(for events: Int32, on fd: Int32) throws(Failure) {
    var poller = pollfd(fd: fd, events: Int16(events), revents: 0)
    while true {
      let now = clinux_milliseconds()
      if let deadline, now >= deadline { throw late }
      let count = unsafe poll(&poller, 1, deadline.map { Int32(clamping: $0 - now) } ?? -1)
      if count > 0 { return }
      if count < 0 && errno != EINTR { throw failure(-errno) }
    }
  }

  // MARK: Failures

  private var socket: String {
    switch service {
    case .control: "the socket of busgate run --control"
    case .metrics: "the socket of busgate run --metrics"
    }
  }

  private var nobodyElse: String {
    switch service {
    case .control: "to be the gate's own user or root"
    case .metrics: "an answer of HTTP"
    }
  }

  private var late: Failure {
    failure("no answer within \(patience / 1000) s", expected: "\(socket), of a gate that is not stopped")
  }

  private func failure(_ number: Int32) -> Failure {
    switch -number {
    case ECONNREFUSED where isSocket: failure("nobody listens there, the gate has ended; start it", expected: socket)
    case ECONNREFUSED: failure("it is no socket", expected: socket)
    case EPROTOTYPE: failure("it is a socket of another kind", expected: socket)
    case EACCES, EPERM: failure("permission denied", expected: "to be whom \(socket) is for: the gate's own user, or root")
    default: failure(unsafe String(cString: strerror(-number)), expected: socket)
    }
  }

  private func failure(_ reason: String, expected: String) -> Failure {
    Failure(description: "\(path): error: \(reason), expected \(expected)")
  }

  private var isSocket: Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
  }
}
