// Which service manifests apply: the flags `--manifest-dir`, `--default-manifest-dir` and `--capability`.

import GateServer

/// Where manifests are, and which of their capabilities are asked for.
struct ManifestOptions {
  /// Directories, or files, whose capabilities apply when asked for.
  private(set) var paths: [String] = []
  /// Directories, or files, whose capabilities always apply.
  private(set) var defaultPaths: [String] = []
  private(set) var capabilities: [String] = []

  /// Whether nothing was said about manifests.
  var isEmpty: Bool { paths.isEmpty && defaultPaths.isEmpty }

  /// What the value of `flag` is to be.
  static func expected(_ flag: String) -> String {
    flag == "--capability" ? "the name of a capability" : "a directory of service manifests, or one manifest"
  }

  mutating func take(_ flag: String, _ value: String) {
    switch flag {
    case "--manifest-dir": paths.append(value)
    case "--default-manifest-dir": defaultPaths.append(value)
    default: capabilities.append(value)
    }
  }

  /// Looks at the flags together.
  func check() throws(UsageError) {
    if let name = capabilities.first, isEmpty {
      throw UsageError("--capability \(name): no manifests, expected --manifest-dir or --default-manifest-dir with it")
    }
  }
}
