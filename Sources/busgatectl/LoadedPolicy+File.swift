// Files of policies, read whole. What is in them is LoadedPolicy's.

import GateServer
import PolicyTools

extension LoadedPolicy {
  /// Reads a configuration, or a manifest with all of its capabilities; of a directory, all in it. What a parser refuses becomes a
  /// finding.
  mutating func add(file path: String) throws(ConfigurationFailure) {
    for file in path == "-" ? [path] : try ConfigurationFile.configurations(at: path) {
      let input = try InputFile(file, expected: "a gateway configuration")
      add(input.bytes, file: input.name)
    }
  }
}
