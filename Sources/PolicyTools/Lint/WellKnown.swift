// Names that everybody on a bus knows: the interfaces of the specification, with their methods and signals.
//
// Source: the specification, "standard-interfaces" and "message-bus-messages".

/// An interface that the specification defines.
struct WellKnownInterface: Sendable {
  let name: String
  let methods: [String]
  let signals: [String]

  static let properties = WellKnownInterface(
    name: "org.freedesktop.DBus.Properties", methods: ["Get", "GetAll", "Set"], signals: ["PropertiesChanged"])
  static let objectManager = WellKnownInterface(
    name: "org.freedesktop.DBus.ObjectManager", methods: ["GetManagedObjects"], signals: ["InterfacesAdded", "InterfacesRemoved"])
  static let introspectable = WellKnownInterface(
    name: "org.freedesktop.DBus.Introspectable", methods: ["Introspect"], signals: [])
  static let peer = WellKnownInterface(name: "org.freedesktop.DBus.Peer", methods: ["Ping", "GetMachineId"], signals: [])
  static let bus = WellKnownInterface(
    name: "org.freedesktop.DBus",
    methods: [
      "Hello", "AddMatch", "RemoveMatch", "GetId", "GetNameOwner", "NameHasOwner", "ListNames", "ListActivatableNames",
      "ListQueuedOwners", "GetConnectionUnixUser", "GetConnectionUnixProcessID", "GetConnectionCredentials",
      "GetAdtAuditSessionData", "GetConnectionSELinuxSecurityContext", "RequestName", "ReleaseName", "StartServiceByName",
      "UpdateActivationEnvironment", "ReloadConfig",
    ], signals: ["NameOwnerChanged", "NameAcquired", "NameLost"])

  /// Those that any service may have.
  static let shared = [properties, objectManager, introspectable, peer]
  /// All of them.
  static let all = shared + [bus]
}
