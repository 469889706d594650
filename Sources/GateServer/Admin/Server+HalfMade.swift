// Waiting for an admin socket that another gate may be making at this moment.

import Glibc

extension Server {
  /// How often, and after how many microseconds each time, it is tried again before it counts as left behind.
  private static let halfMadeAttempts = 50
  private static let halfMadeInterval: UInt32 = 20_000

  /// Listens on a path, if need be after having waited for a second.
  static func listen(path: String, _ options: SocketFileOptions) throws(ListenFailure) -> ListeningSocket {
    for _ in 0..<halfMadeAttempts {
      do throws(ListenFailure) {
        return try ListeningSocket(path: path, options)
      } catch {
        if !error.isHalfMade { throw error }
        usleep(halfMadeInterval)
      }
    }
    return try ListeningSocket(path: path, options, takesOverHalfMade: true)
  }
}
