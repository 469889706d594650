// The driver's methods: what is open to everybody, what a rule opens, and what only a rule opens that names it.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private func text(_ text: StaticString) -> String { text.description }

private func calling(_ method: DriverMethod, _ serial: UInt32 = 9, interface: Bool = true) -> Draft {
  let draft = Draft.driver(serial, interface: interface ? text(method.interface) : nil, text(method.member))
  switch method.inspection {
  case .addMatch: return draft.with([.string("type='signal'")])
  case .requestName: return draft.with([.string("org.foo.Own"), .number(0)])
  case .releaseName: return draft.with([.string("org.foo.Own")])
  case .startService: return draft.with([.string("org.foo.Start"), .number(0)])
  case .none, .hello, .removeMatch, .becomeMonitor: return draft
  }
}

/// Whether a call to the driver arrives at the bus.
private func passes(
  _ draft: Draft, _ rules: [GatewayRule], _ configure: (inout SessionSettings) -> Void = { _ in }
) throws -> Bool {
  let rig = try Rig.open(rules, configure)
  rig.feed(draft, from: .client)
  #expect(rig.bus.stream.isEmpty != rig.client.stream.isEmpty, "either forwarded or answered")
  return rig.bus.stream == draft.bytes
}

/// Each method by "interface.member" and without RemoveMatch, which needs an AddMatch before it.
private let always = Driver.methods.filter { $0.access == .always && $0.inspection != .removeMatch }.map {
  "\($0.interface) \($0.member)"
}
private let byRule = Driver.methods.filter { $0.access == .rule }.map { "\($0.interface) \($0.member)" }
private let literal = Driver.methods.filter { $0.access == .literalRule }.map { "\($0.interface) \($0.member)" }

private func method(_ name: String) -> DriverMethod { Driver.methods.first { "\($0.interface) \($0.member)" == name }! }

@Suite("the driver's table")
struct DriverTableTests {
  @Test("no two interfaces share a member, so that a call without interface means one method")
  func unique() {
    let members = Driver.methods.map { text($0.member) }
    #expect(Set(members).count == members.count)
  }

  @Test("what needs no rule is what a connection cannot live without")
  func alwaysOpen() {
    #expect(
      Set(Driver.methods.filter { $0.access == .always }.map { text($0.member) }) == [
        "Hello", "AddMatch", "RemoveMatch", "GetId", "GetNameOwner", "NameHasOwner", "ListNames", "ListActivatableNames",
        "ListQueuedOwners", "GetConnectionUnixUser", "GetConnectionUnixProcessID", "GetConnectionCredentials",
        "GetAdtAuditSessionData", "GetConnectionSELinuxSecurityContext", "Ping", "GetMachineId", "Introspect", "Get", "GetAll",
      ])
  }

  @Test("an always-open method passes an empty policy, with its interface and without", arguments: always, [true, false])
  func alwaysPasses(name: String, interface: Bool) throws {
    #expect(try passes(calling(method(name), interface: interface), []))
  }

  @Test("and is stopped by a deny rule, with its interface and without; Hello is not", arguments: always, [true, false])
  func denied(name: String, interface: Bool) throws {
    let method = method(name)
    let deny = rule(.outgoing, text(method.interface), [text(method.member)], deny: true)
    #expect(try passes(calling(method, interface: interface), [deny]) == (method.inspection == .hello))
  }

  @Test("the member of another interface is another method", arguments: ["org.foo.Bar", "org.freedesktop.DBus.Peer"])
  func otherInterface(interface: String) throws {
    #expect(try !passes(.driver(9, interface: interface, "ListNames"), [rule(.outgoing)]))
  }

  @Test("names are asked for by a rule, even a wide one, and not without", arguments: byRule, [true, false])
  func ruleOpens(name: String, interface: Bool) throws {
    let call = calling(method(name), interface: interface)
    #expect(try !passes(call, []))
    #expect(try passes(call, [rule(.outgoing)]))
    #expect(try passes(call, [rule(.outgoing, "org.freedesktop.DBus", [text(method(name).member)])]))
    #expect(try !passes(call, [rule(.outgoing, "org.freedesktop.DBus", ["Nothing"])]))
    #expect(try !passes(call, [rule(.outgoing), rule(.outgoing, "*", [text(method(name).member)], deny: true)]))
  }

  @Test("in personality dbus-proxy names need no rule; starting services does", arguments: byRule)
  func classic(name: String) throws {
    #expect(try passes(calling(method(name)), []) { $0.opensNames = true } == (method(name).inspection != .startService))
  }

  @Test("what administers the bus passes no wildcard, only a rule that names it", arguments: literal, [true, false])
  func literalOpens(name: String, interface: Bool) throws {
    let method = method(name)
    let call = calling(method, interface: interface)
    let (interfaceName, member) = (text(method.interface), text(method.member))
    #expect(try !passes(call, [rule(.outgoing)]))
    #expect(try !passes(call, [rule(.outgoing, interfaceName, ["*"])]))
    #expect(try !passes(call, [rule(.outgoing, interfaceName, [String(member.dropLast()) + "?"])]))
    #expect(try !passes(call, [rule(.outgoing, "*", [member])]))
    #expect(try passes(call, [rule(.outgoing, interfaceName, [member])]))
    #expect(try !passes(call, [rule(.outgoing, interfaceName, [member]), rule(.outgoing, "*", [member], deny: true)]))
  }

  @Test("a method that is not in the table passes only a rule that names it")
  func unknown() throws {
    let call = Draft.driver(9, interface: "org.freedesktop.DBus.Future1", "Reboot")
    #expect(try !passes(call, []))
    #expect(try !passes(call, [rule(.outgoing)]))
    #expect(try !passes(call, [rule(.outgoing, "org.freedesktop.DBus.*", ["Reboot"])]))
    #expect(try passes(call, [rule(.outgoing, "org.freedesktop.DBus.Future1", ["Reboot"])]))
  }

  @Test("an unknown method without interface passes no rule at all")
  func unknownWithoutInterface() throws {
    let call = Draft.driver(9, interface: nil, "Reboot")
    #expect(try !passes(call, [rule(.outgoing), rule(.outgoing, "org.freedesktop.DBus.Future1", ["Reboot"])]))
  }

  @Test("a call without destination is the driver's: a wildcard does not let it pass")
  func noDestination() throws {
    let broad = [rule(.outgoing)]
    #expect(try !passes(.call(9, to: nil, interface: "org.foo.Bar", "Do"), broad))
    #expect(try !passes(.call(9, to: nil, interface: nil, "Do"), broad))
    #expect(try !passes(.call(9, to: nil, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor"), broad))
    #expect(try passes(.call(9, to: nil, interface: "org.freedesktop.DBus.Peer", "Ping"), []))
  }

  @Test("a signal to the driver passes only a rule that names it")
  func signals() throws {
    for (rules, expected) in [([], false), ([rule(.outgoing)], false), ([rule(.outgoing, "org.foo.Bar", ["Sig"])], true)] {
      let rig = try Rig.open(rules)
      let signal = Draft.signal(9, to: "org.freedesktop.DBus", "Sig")
      rig.feed(signal, from: .client)
      #expect(rig.bus.stream == (expected ? signal.bytes : []))
      #expect(rig.client.stream.isEmpty)
    }
  }

  @Test("StartServiceByName without a rule: the service is unknown, so that proxies go on")
  func startService() throws {
    let rig = try Rig.open()
    rig.feed(calling(method("org.freedesktop.DBus StartServiceByName")), from: .client)
    #expect(try rig.message(.client).errorName == "org.freedesktop.DBus.Error.ServiceUnknown")
  }
}
