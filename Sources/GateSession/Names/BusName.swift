// Bounds of names.

/// Names on a bus.
enum BusName {
  /// No bus name is longer. Spec: "message-protocol-names".
  static let byteCountMax = 255
}
