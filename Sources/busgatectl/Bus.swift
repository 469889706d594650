// The two buses that configurations have an array for, as flags call them.

import ArgumentParser
import PolicyTools

typealias Bus = GatewayBus

extension GatewayBus: ExpressibleByArgument {
  /// The key of its array.
  var key: String { "dbus-gateway-config-\(rawValue)" }
}
