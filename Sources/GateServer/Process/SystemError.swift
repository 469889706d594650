// The environment's failures: what was tried, on what, and what the kernel said.

import Glibc

/// A system call failed.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was being done, as a sentence's beginning: "cannot listen on /run/x/bus".
  public var attempt: String
  /// The error number, see errno(3).
  public var number: Int32
  /// What to do about it, if we know.
  public var hint: String

  /// `attempt` failed with `number`.
  public init(_ attempt: String, _ number: Int32, hint: String = "") {
    self.attempt = attempt
    self.number = number < 0 ? -number : number
    self.hint = hint
  }

  /// "cannot listen on /run/x/bus: Permission denied".
  public var description: String {
    let reason = unsafe String(cString: strerror(number))
    return hint.isEmpty ? "\(attempt): \(reason)" : "\(attempt): \(reason) (\(hint))"
  }
}
