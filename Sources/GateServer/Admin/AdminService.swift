// What admin sockets serve, and the bounds of each service.

/// What an admin socket serves.
enum AdminService: Int, CaseIterable {
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
