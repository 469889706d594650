// Exit statuses, as sysexits.h has them.

/// Exit statuses, as sysexits.h has them.
enum ExitStatus {
  static let success: Int32 = 0
  /// A gate that was asked how it is is not well.
  static let unwell: Int32 = 1
  /// The command line cannot be understood.
  static let usage: Int32 = 64
  /// The configuration is wrong.
  static let configuration: Int32 = 65
  /// A bus cannot be reached, and `--require-bus` was given.
  static let noBus: Int32 = 69
  /// A system call failed.
  static let system: Int32 = 71
  /// It would have done harm.
  static let refused: Int32 = 78
}
