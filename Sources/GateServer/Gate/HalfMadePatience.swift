// How long a gate leaves a socket alone that another gate may be making.

/// Tries in a row that found the socket half made. Whatever else they find begins anew: what was made then is another's, and no older than that.
struct HalfMadePatience {
  /// So many tries, 20 ms apart, before it counts as left behind.
  static let attemptsMax = 50

  private var attempts = 0

  /// Whether a socket that is still half made is to be replaced.
  var isOver: Bool { attempts >= Self.attemptsMax }

  /// A try came to nothing.
  mutating func note(_ failure: ListenFailure) { attempts = failure.isHalfMade ? attempts + 1 : 0 }
}
