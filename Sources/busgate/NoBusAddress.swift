// Why the address of a bus is not known.

/// Why a bus cannot be found.
enum NoBusAddress: Error, CustomStringConvertible {
  case noSessionBus

  var description: String {
    "no session bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set, expected one of them or --bus session=ADDRESS"
  }
}
