// Files that a command reads whole: configurations, manifests, saved messages. `-` is standard input. Logs, which have no bound, are
// read a chunk at a time by LogInput.

import GateServer
import Glibc

/// A file that was read.
struct InputFile {
  /// Its name, as messages call it.
  let name: String
  let bytes: [UInt8]

  /// Reads the file at `path`.
  init(_ path: String, expected: String) throws(ConfigurationFailure) {
    if path == "-" {
      name = "standard input"
      Console().sayIfTerminalIsRead(expected)
      bytes = try ConfigurationFile.contents(of: STDIN_FILENO, named: name, expected: expected)
    } else {
      name = path
      bytes = try ConfigurationFile.contents(of: path, expected: expected)
    }
  }
}
