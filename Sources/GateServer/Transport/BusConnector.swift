// How one kind of address is connected to. A transport is one type like this, in a file of its own, and a row in `BusEndpoint.connectors`.

import DBusWire
import GateSession
import Glibc

/// One alternative of a bus's address, understood.
protocol BusConnector: Sendable {
  /// What connections of this kind can carry, and how addresses call it.
  static var transport: Transport { get }
  /// What an address of this kind is to have, for an error's sentence: `unix:path=`.
  static var forms: [String] { get }
  /// Whether a connection is a program that is started for it.
  static var startsPrograms: Bool { get }

  /// Out of an alternative of this transport. Throws a sentence that says what is wrong with it.
  ///
  /// - Parameter text: The whole address, for the sentence.
  init(_ address: BusAddress, in text: String) throws(UsageError)

  /// Starts a connection, without waiting.
  func connect() -> ConnectAttempt
}

extension BusConnector {
  static var startsPrograms: Bool { false }
}

/// What came of starting a connection. Its descriptors are non-blocking, closed on exec, and the caller's to close.
enum ConnectAttempt {
  case connected(Int32)
  /// The descriptor will be writable once it is known what came of it. The corresponding error of connect(2) is EINPROGRESS.
  case inProgress(Int32)
  /// There is somebody who accepts, or soon may be; it is to be tried again.
  case busy
  /// -errno.
  case failed(Int32)

  /// What a call that connects at once, or not at all, came to.
  ///
  /// - Parameter result: The descriptor, or -errno.
  init(result: Int32) {
    if result >= 0 { self = .connected(result) } else { self = -result == EAGAIN ? .busy : .failed(result) }
  }
}
