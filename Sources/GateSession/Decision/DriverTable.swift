// The methods of org.freedesktop.DBus, as data: which every connection needs, which a rule opens, which only a rule that names them
// literally opens. A method that is not here, now or in a later version of a bus, is of the last kind.
//
// Sources: the specification, "message-bus-messages"; dbus-daemon 1.14 and dbus-broker for what is beyond it.

import DBusWire

/// One method of the driver.
package struct DriverMethod: Sendable {
  /// What opens it.
  package enum Access { case always, rule, literalRule }

  /// What the gate does with its arguments or its answer.
  package enum Inspection { case none, hello, addMatch, removeMatch, requestName, releaseName, startService, becomeMonitor }

  /// What a policy with names asks of the name that is the first argument, or does with the names of the answer.
  package enum Names { case none, see, talk, own, list }

  package let interface: StaticString
  package let member: StaticString
  package let access: Access
  package var inspection = Inspection.none
  package var names = Names.none
  /// Whether the first argument is a bus name, where no policy asks which.
  package var takesName = false
}

/// The driver's methods and signals.
package enum Driver {
  package static let name: StaticString = "org.freedesktop.DBus"
  package static let path: StaticString = "/org/freedesktop/DBus"

  /// The bytes of its name.
  static var nameBytes: RawSpan {
    @_lifetime(immortal) get { name.bytes }
  }

  private static let bus: StaticString = "org.freedesktop.DBus"
  private static let peer: StaticString = "org.freedesktop.DBus.Peer"
  private static let properties: StaticString = "org.freedesktop.DBus.Properties"
  private static let introspectable: StaticString = "org.freedesktop.DBus.Introspectable"
  private static let monitoring: StaticString = "org.freedesktop.DBus.Monitoring"
  private static let containers: StaticString = "org.freedesktop.DBus.Containers1"
  private static let statistics: StaticString = "org.freedesktop.DBus.Debug.Stats"
  private static let verbose: StaticString = "org.freedesktop.DBus.Verbose"

  static let becomeMonitor = DriverMethod(
    interface: monitoring, member: "BecomeMonitor", access: .literalRule, inspection: .becomeMonitor)

  static let requestName = DriverMethod(
    interface: bus, member: "RequestName", access: .rule, inspection: .requestName, names: .own)

  package static let methods: [DriverMethod] = [
    DriverMethod(interface: bus, member: "Hello", access: .always, inspection: .hello),
    DriverMethod(interface: bus, member: "AddMatch", access: .always, inspection: .addMatch),
    DriverMethod(interface: bus, member: "RemoveMatch", access: .always, inspection: .removeMatch),
    DriverMethod(interface: bus, member: "GetId", access: .always),
    DriverMethod(interface: bus, member: "GetNameOwner", access: .always, names: .see),
    DriverMethod(interface: bus, member: "NameHasOwner", access: .always, names: .see),
    DriverMethod(interface: bus, member: "ListNames", access: .always, names: .list),
    DriverMethod(interface: bus, member: "ListActivatableNames", access: .always, names: .list),
    DriverMethod(interface: bus, member: "ListQueuedOwners", access: .always, names: .own),
    DriverMethod(interface: bus, member: "GetConnectionUnixUser", access: .always, names: .see),
    DriverMethod(interface: bus, member: "GetConnectionUnixProcessID", access: .always, names: .see),
    DriverMethod(interface: bus, member: "GetConnectionCredentials", access: .always, names: .see),
    DriverMethod(interface: bus, member: "GetAdtAuditSessionData", access: .always, names: .see),
    DriverMethod(interface: bus, member: "GetConnectionSELinuxSecurityContext", access: .always, names: .see),
    DriverMethod(interface: peer, member: "Ping", access: .always),
    DriverMethod(interface: peer, member: "GetMachineId", access: .always),
    DriverMethod(interface: introspectable, member: "Introspect", access: .always),
    DriverMethod(interface: properties, member: "Get", access: .always),
    DriverMethod(interface: properties, member: "GetAll", access: .always),

    requestName,
    DriverMethod(interface: bus, member: "ReleaseName", access: .rule, inspection: .releaseName, names: .own),
    DriverMethod(interface: bus, member: "StartServiceByName", access: .rule, inspection: .startService, names: .talk),

    DriverMethod(interface: properties, member: "Set", access: .literalRule),
    DriverMethod(interface: bus, member: "UpdateActivationEnvironment", access: .literalRule),
    DriverMethod(interface: bus, member: "ReloadConfig", access: .literalRule),
    becomeMonitor,
    DriverMethod(interface: containers, member: "AddServer", access: .literalRule),
    DriverMethod(interface: containers, member: "StopInstance", access: .literalRule),
    DriverMethod(interface: containers, member: "StopListening", access: .literalRule),
    DriverMethod(interface: containers, member: "GetConnectionInstance", access: .literalRule, takesName: true),
    DriverMethod(interface: containers, member: "GetInstanceInfo", access: .literalRule),
    DriverMethod(interface: containers, member: "RequestHeader", access: .literalRule),
    DriverMethod(interface: statistics, member: "GetStats", access: .literalRule),
    DriverMethod(interface: statistics, member: "GetConnectionStats", access: .literalRule, takesName: true),
    DriverMethod(interface: statistics, member: "GetAllMatchRules", access: .literalRule),
    DriverMethod(interface: verbose, member: "EnableVerbose", access: .literalRule),
    DriverMethod(interface: verbose, member: "DisableVerbose", access: .literalRule),
  ]

  /// The method that a call to the driver means. Without interface the buses look it up by member alone, and so do we; no two
  /// interfaces of the table share a member (a test sees to it).
  static func method(interface: RawSpan, member: RawSpan) -> DriverMethod? {
    for method in methods where member.isEqual(to: method.member) {
      if interface.byteCount == 0 || interface.isEqual(to: method.interface) { return method }
    }
    return nil
  }

  /// Signals of the driver that every connection needs.
  static func isNeededSignal(interface: RawSpan, member: RawSpan) -> Bool {
    interface.isEqual(to: bus)
      && (member.isEqual(to: "NameOwnerChanged") || member.isEqual(to: "NameAcquired") || member.isEqual(to: "NameLost"))
  }
}
