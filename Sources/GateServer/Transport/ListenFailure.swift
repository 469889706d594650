// Why a socket could not be listened on.

/// Why a socket could not be listened on.
public enum ListenFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// A system call failed.
  case system(SystemError)
  /// It would have done harm: the path is in use.
  case refused(String)
  /// Another gate may be making a socket at this path at this moment: there is a file, nobody accepts there yet, and nobody may connect. It
  /// has been made a moment later, or was left behind.
  case halfMade(String)

  /// Whether another gate may be making the socket at this moment: it is tried again soon.
  public var isHalfMade: Bool {
    switch self {
    case .halfMade: true
    case .system, .refused: false
    }
  }

  /// A sentence.
  public var description: String {
    switch self {
    case .system(let error): error.description
    case .refused(let text): text
    case .halfMade(let path): "another gate seems to be making the socket \(path) at this moment; it is left alone"
    }
  }
}
