// Kinds of message that are decided on one by one, since their decisions rest on more than their headers: on arguments, on what is under way,
// on who the client is.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

extension Kind {
  private static let driver = "org.freedesktop.DBus"
  private static let path = "/org/freedesktop/DBus"
  private static let everything = [rule(.outgoing), rule(.incoming)]

  private static func signal(_ member: String, _ values: Draft.Value...) -> Draft {
    .signal(9, to: Rig.name, interface: driver, member, path: path, from: driver).with(values)
  }

  /// An answer of the driver's to a call of the client's to it.
  private static func answer(
    _ description: String, to call: Draft, _ values: Draft.Value..., isError: Bool = false, by rules: [GatewayRule] = []
  ) -> Kind {
    let answer = isError ? Draft.error(9, to: 1, of: Rig.name, from: driver) : .answer(9, to: 1, of: Rig.name, from: driver)
    return Kind(description, answer.with(values), from: .bus, rules).with {
      $0.before = { bus, serial in bus.rig.feed(call.changed { $0.serial = serial }, from: .client) }
    }
  }

  private static let monitoring = Draft.driver(99, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor")
  private static let becoming = rule(.outgoing, "org.freedesktop.DBus.Monitoring", ["BecomeMonitor"])

  /// Calls to each method of the driver, opened by a rule that names it, and not.
  static let driverCalls: [Kind] = Driver.methods.flatMap { method in
    let (interface, member) = (method.interface.description, method.member.description)
    let values: [Draft.Value]
    switch (method.inspection, method.isAboutName) {
    case (.addMatch, _), (.removeMatch, _): values = [.string("type='signal'")]
    case (.requestName, _), (.startService, _): values = [.string("org.foo"), .number(0)]
    case (_, true): values = [.string("org.foo")]
    default: values = []
    }
    let call = Draft.call(9, to: driver, interface: interface, member, path: path).with(values)
    return [
      Kind("\(member), which a rule names", call, [rule(.outgoing, interface, [member])]),
      Kind("\(member), without a rule", call),
      Kind("\(member), with names", call).with { $0.names = GateSessionTests.names(own: ["org.foo"]) },
      Kind("\(member), where nothing is visible", call).with { $0.names = GateSessionTests.names() },
    ]
  }

  /// What else concerns the driver.
  static let driverMessages: [Kind] = [
    Kind("a method that nobody knows, which a rule names", .driver(9, "NoSuch"), [rule(.outgoing, driver, ["NoSuch"])]),
    Kind("a method that nobody knows", .driver(9, "NoSuch"), everything),
    Kind("a call to nobody", .call(9, to: nil, "Do"), everything),
    Kind("a signal to the driver", .signal(9, to: driver, "Sig"), [rule(.outgoing, "org.foo.Bar", ["Sig"])]),
    Kind("NameAcquired", signal("NameAcquired", .string("org.a")), from: .bus),
    Kind("NameLost", signal("NameLost", .string("org.a")), from: .bus),
    Kind("NameOwnerChanged", signal("NameOwnerChanged", .string("org.a"), .string(""), .string(":1.5")), from: .bus),
    Kind("NameOwnerChanged, with names", signal("NameOwnerChanged", .string("org.foo"), .string(""), .string(":1.5")), from: .bus)
      .with { $0.names = GateSessionTests.names(talk: ["org.foo"]) },
    Kind("a signal of the driver's that a rule names", signal("Odd"), from: .bus, [rule(.incoming, driver, ["Odd"])]),
    Kind("a signal of the driver's", signal("Odd"), from: .bus, everything),
    answer("AddMatch's answer", to: .driver(1, "AddMatch", .string("type='signal'"))),
    answer("AddMatch's refusal", to: .driver(1, "AddMatch", .string("type='signal'")), isError: true),
    answer(
      "RequestName's answer", to: .driver(1, "RequestName", .string("org.a"), .number(0)), .number(1),
      by: [rule(.outgoing, driver, ["RequestName"])]),
    answer("ListNames' answer", to: .driver(1, "ListNames"), .strings(["org.a"])),
    answer("ListNames' answer, with names", to: .driver(1, "ListNames"), .strings(["org.a"])).with {
      $0.names = GateSessionTests.names()
    },
    answer("GetNameOwner's answer", to: .driver(1, "GetNameOwner", .string("org.a")), .string(":1.5")),
    answer("BecomeMonitor's refusal", to: monitoring, isError: true, by: [becoming]),
    Kind("an answer to and from nobody", .answer(9, to: 1, of: nil), from: .bus).with {
      $0.before = { bus, serial in bus.rig.feed(.driver(serial, "GetId").changed { $0.destination = nil }, from: .client) }
    },
  ]

  /// What rests on what is under way, or on who the client is.
  static let others: [Kind] = [
    Kind("an answer that nobody waits for", .answer(9, to: 1, of: ":1.5"), everything),
    Kind("an answer that the client does not wait for", .answer(9, to: 1, of: Rig.name, from: ":1.5"), from: .bus, everything),
    Kind("an answer of another than was asked", .answer(9, to: 1, of: Rig.name, from: ":1.6"), from: .bus, everything).with {
      $0.before = { bus, serial in bus.rig.feed(.call(serial, to: ":1.5", "Asked"), from: .client) }
    },
    Kind("a call to somebody else", .call(9, to: ":1.9", "Do", from: ":1.5"), from: .bus, everything),
    Kind("a signal to somebody else", .signal(9, to: ":1.9", "Sig", from: ":1.5"), from: .bus, everything),
    Kind("an unknown type", Draft(type: 77, serial: 9), everything),
    Kind("an unknown type from the bus", Draft(type: 77, serial: 9), from: .bus, everything),
    Kind("CONTAINER_INSTANCE", .call(9, "Do").changed { $0.containerInstance = "/c" }, everything),
    Kind("a call to the gate's observer", .call(9, to: ":1.66", "Do"), everything).with {
      $0.prepare = { bus in
        let name = Array(":1.66".utf8)
        bus.rig.owners.nameObserver(name.span.bytes)
        bus.rig.session.ownersChanged(isObserverNew: true)
      }
    },
    Kind("a message that is too long", Draft.call(9, "Do").padded(to: 300), everything).with {
      $0.configure = { $0.limits.messageBytesMax = 256 }
    },
    Kind("a call beyond pending-replies-max", .call(9, "Do"), everything).with {
      $0.configure = { $0.limits.pendingRepliesMax = 1 }
      $0.prepare = { bus in bus.rig.feed(.call(150, "Waits"), from: .client) }
    },
    Kind("a call beyond pending-incoming-max", .call(9, to: Rig.name, "Do", from: ":1.5"), from: .bus, everything).with {
      $0.configure = { $0.limits.incomingCallsMax = 1 }
      $0.prepare = { bus in bus.rig.feed(.call(150, to: Rig.name, "Waits", from: ":1.6"), from: .bus) }
    },
    Kind("a call with too many descriptors", .call(9, "Do").changed { $0.unixFDs = 2 }, everything).with {
      $0.configure = { $0.limits.descriptorsPerMessageMax = 1 }
    },
    Kind("a call to a hidden name", .call(9, to: "org.hidden", "Do")).with { $0.names = GateSessionTests.names() },
    Kind("a call to a hidden unique name", .call(9, to: ":1.5", "Do")).with { $0.names = GateSessionTests.names() },
    Kind(
      "a call to who may own a denied name", .call(9, to: ":1.99", "Do"),
      everything + [rule(.outgoing, deny: true, name: "org.bad.*")]
    ).with {
      $0.owners = ["org.bad.a": ":1.5", "org.bad.b": ":1.6"]
      $0.configure = { $0.limits.ownersMax = 1 }
    },
    Kind("a monitor's message", .signal(9, "Sig", from: ":1.5"), from: .bus, everything + [becoming]).with {
      $0.prepare = { bus in
        bus.rig.feed(monitoring, from: .client)
        bus.rig.feed(.answer(9, to: 99, of: Rig.name, from: driver), from: .bus)
      }
    },
  ]
}
