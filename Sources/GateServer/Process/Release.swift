// Which version this is: the only place that says it. The programs tell it, and the packages ask them.

/// The version of everything that is built and packaged together. Source: ours.
public enum Release {
  /// As `--version` tells it.
  public static let version = "0.1.0"
}
