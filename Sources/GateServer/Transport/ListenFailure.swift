// Why a socket could not be listened on.

/// Why a socket could not be listened on.
public enum ListenFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// A system call failed.
  case system(SystemError)
  /// It would have done harm: the path is in use.
  case refused(String)
  case halfMade(String)

  /// A sentence.
  public var description: String {
    switch self {
    case .system(let error): error.description
    case .refused(let text): text
    case .halfMade(let text): text
    }
  }
}
