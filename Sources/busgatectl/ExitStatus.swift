// Exit statuses, as sysexits.h has them; the same as the sidecar's. 64 is ArgumentParser's own for a command line that is wrong.

import ArgumentParser

extension ExitCode {
  /// Something was found that the command was to look for.
  static let found = ExitCode(1)
  /// It was not found, but could not be ruled out.
  static let undecided = ExitCode(2)
  /// The command line cannot be understood.
  static let usage = ExitCode(64)
  /// A file cannot be used.
  static let badInput = ExitCode(65)
  /// A system call failed.
  static let systemError = ExitCode(71)
}
