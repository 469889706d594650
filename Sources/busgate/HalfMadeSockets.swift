// Sockets that another gate may be making at the moment that this one starts.

import GateServer
import Glibc

/// How often, and after how many microseconds each time, such a socket is tried again before it counts as left behind.
private let attemptsMax = 50
private let attemptInterval: UInt32 = 20_000

/// Does what listens somewhere, if need be after having waited for a second. Nobody is served yet who would wait too.
///
/// - Parameter attempt: Told whether to replace a socket that somebody began to make.
func listenPatiently(_ attempt: (_ replacesHalfMade: Bool) throws(ListenFailure) -> Void) throws(ListenFailure) {
  for _ in 0..<attemptsMax {
    do throws(ListenFailure) {
      return try attempt(false)
    } catch {
      if !error.isHalfMade { throw error }
      usleep(attemptInterval)
    }
  }
  try attempt(true)
}

extension Server {
  /// Adds a gate, if need be after having waited for a second.
  @discardableResult
  mutating func addGatePatiently(_ options: GateOptions) throws(ListenFailure) -> GateID {
    var options = options
    var added: GateID?
    try listenPatiently { replaces throws(ListenFailure) in
      options.socketFile.replacesHalfMade = replaces
      added = try addGate(options)
    }
    guard let added else { preconditionFailure("a gate that was neither added nor refused") }
    return added
  }
}
