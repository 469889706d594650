// Files of policies, read whole. What is in them is LoadedPolicy's.

import GateServer
import PolicyTools

extension LoadedPolicy {
  /// Reads a configuration, or a manifest with all of its capabilities. What its parser refuses becomes a finding.
  mutating func add(file path: String) throws(ConfigurationFailure) {
    let input = try InputFile(path, expected: "a gateway configuration")
    add(input.bytes, file: input.name)
  }
}
