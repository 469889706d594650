// What journalctl shows people, given to a command that needs the keys of the log.

import GateServer
import PolicyTools

/// Lines that are the journal's MESSAGE alone.
enum JournalMessage {
  /// What is said of the first of them, and which command has the keys.
  static func failure(_ line: UnreadableLine, _ command: String) -> ConfigurationFailure {
    ConfigurationFailure(description: "\(line): journalctl -u UNIT -o json | \(command)")
  }
}
