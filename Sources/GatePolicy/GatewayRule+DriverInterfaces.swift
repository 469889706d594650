// Interfaces of the bus itself, for those who have to tell whether a rule is about the bus.

extension GatewayRule {
  /// Interfaces that nobody but the bus itself has.
  package static let driverInterfaces: Set<[UInt8]> = Set(
    [
      "org.freedesktop.DBus", "org.freedesktop.DBus.Monitoring", "org.freedesktop.DBus.Containers1",
      "org.freedesktop.DBus.Debug.Stats", "org.freedesktop.DBus.Verbose",
    ].map { Array($0.utf8) })

  /// Interfaces that the bus has as every service may.
  package static let sharedDriverInterfaces: Set<[UInt8]> = Set(
    ["org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.Introspectable"].map { Array($0.utf8) }
  )
}
