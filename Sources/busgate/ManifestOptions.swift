// Which service manifests apply: the flags `--manifest-dir`, `--default-manifest-dir` and `--capability`.

import GateServer

/// Where manifests are, and which of their capabilities are asked for.
struct ManifestOptions {
  /// Directories, or files, whose capabilities apply when asked for.
  var paths: [String] = []
  /// Directories, or files, whose capabilities always apply.
  var defaultPaths: [String] = []
  var capabilities: [String] = []

  /// Whether nothing was said about manifests.
  var isEmpty: Bool { paths.isEmpty && defaultPaths.isEmpty }

  /// Looks at the flags together.
  func check() throws(UsageError) {
    if let name = capabilities.first, isEmpty {
      throw UsageError("--capability \(name): no manifests, expected --manifest-dir or --default-manifest-dir with it")
    }
  }
}
