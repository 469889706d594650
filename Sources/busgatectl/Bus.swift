// The two buses that configurations have an array for, as flags call them.

import ArgumentParser

/// A bus.
enum Bus: String, CaseIterable, ExpressibleByArgument {
  case session
  case system

  /// The key of its array.
  var key: String { "dbus-gateway-config-\(rawValue)" }
}
