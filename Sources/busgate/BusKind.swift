// The two buses of a host, and where they are by default.

import Glibc

/// A bus that gateway configurations have an array for.
enum BusKind: String {
  case session
  case system

  /// The name of its policy in texts for people.
  var policyName: String { rawValue.uppercased() }

  /// The environment variable with its address.
  var variable: String { "DBUS_\(policyName)_BUS_ADDRESS" }

  /// Where the bus is when no `--bus` says so.
  ///
  /// Spec: "message-bus-types".
  func defaultAddress() throws -> String {
    switch self {
    case .session:
      if let address = environment(variable) { return address }
      if let directory = environment("XDG_RUNTIME_DIR") { return "unix:path=\(escaped(directory))/bus" }
      throw NoBusAddress.noSessionBus
    case .system:
      return environment(variable) ?? "unix:path=/run/dbus/system_bus_socket"
    }
  }

  private func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name), unsafe value.pointee != 0 else { return nil }
    return unsafe String(cString: value)
  }

  /// A path as an address has it: what the specification does not let stand is written %XX.
  private func escaped(_ path: String) -> String {
    var text = ""
    for byte in path.utf8 {
      let isOptional =
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "/"), UInt8(ascii: "."):
          true
        default: false
        }
      text += isOptional ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }
}
