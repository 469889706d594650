import GatePolicy
import Testing

@testable import PolicyTools

/// For each lint what it must find, and beside it the nearest thing that is in order.
@Suite("Lints")
struct LinterTests {
  private func text(_ rules: [String]) -> String {
    "{\"busgate\": {\"names\": {}}, \"dbus-gateway-config-session\": [\n\(rules.joined(separator: ",\n"))\n]}"
  }

  private func lint(_ rules: [String]) throws -> [Finding] {
    let text = Array(text(rules).utf8)
    let document = try GatewayDocument.parse(text, file: "f")
    var outline = RuleOutline()
    outline.add(text, file: "f")
    var linter = Linter(Policy(rules: document.sessionRules, names: document.names, busName: "SESSION"), outline: outline)
    return linter.run()
  }

  /// Lint, line and what it points at of each finding; the first rule is on line 2.
  private func found(_ rules: String...) throws -> [String] {
    let lines = text(rules).split(separator: "\n")
    return try lint(rules).map { finding in
      let pointedAt = lines[finding.location.line - 1].dropFirst(finding.location.column - 1)
      let word = pointedAt.first == "{" ? "rule" : String(pointedAt.dropFirst().prefix { $0 != "\"" })
      return "\(finding.id) \(finding.location.line) \(word)"
    }
  }

  private func rule(
    _ direction: String = "outgoing", _ interface: String = "org.example.Door", _ path: String = "/org/example/door",
    _ method: String = "\"Open\"", _ more: String = "\"type\": \"method_call\""
  ) -> String {
    #"{"direction": "\#(direction)", "interface": "\#(interface)", "object-path": "\#(path)", "method": \#(method), \#(more)}"#
  }

  @Test("an ordinary rule has nothing to be found")
  func clean() throws {
    #expect(try found(rule()) == [])
    #expect(
      try found(rule("incoming", "org.example.Door", "/org/example/door", #"["Opened", "Clos*"]"#, #""type": "signal""#)) == [])
  }

  @Test("a pattern that no legal name matches is found where it stands, and one that some name matches is not")
  func neverMatches() throws {
    #expect(try found(rule("outgoing", "org-example.Door")) == ["never-matches 2 org-example.Door"])
    #expect(try found(rule("outgoing", "org.example.Do*")) == [])
    #expect(try found(rule("outgoing", "org.example.Door", "org/example")) == ["never-matches 2 org/example"])
    #expect(try found(rule("outgoing", "org.example.Door", "/org/example/")) == ["never-matches 2 /org/example/"])
    #expect(try found(rule("outgoing", "org.example.Door", "/org/example/*")) == [])
    #expect(try found(rule("outgoing", "org.example.Door", "/d", #"["Open", "Op-en"]"#)) == ["never-matches 2 Op-en"])
    #expect(try found(rule("outgoing", "org.example.Door", "/d", #"["Open", "Op?en"]"#)) == [])
  }

  @Test("the second of two equal rules is found, and of two that differ in a word neither")
  func duplicate() throws {
    #expect(try found(rule(), rule()) == ["duplicate 3 rule"])
    #expect(try found(rule(), rule("incoming")) == [])
    #expect(try found(rule(), rule("outgoing", "org.example.Door", "/org/example/door", "\"Close\"")) == [])
    let logged = rule("outgoing", "org.example.Door", "/org/example/door", "\"Open\"", #""type": "method_call", "log": true"#)
    #expect(try found(rule(), logged) == [])
    let both = #"["Close", "Open"]"#
    #expect(
      try found(
        rule("outgoing", "org.example.Door", "/d", #"["Open", "Close"]"#), rule("outgoing", "org.example.Door", "/d", both))
        == ["duplicate 3 rule"])
  }

  @Test("a rule that another one covers is found, and one that reaches farther in any key is not")
  func shadowed() throws {
    let wide = rule("outgoing", "org.example.*", "/org/example/*", #"["Open*", "Close"]"#)
    #expect(try found(wide, rule()) == ["shadowed 3 rule"])
    #expect(try found(rule(), wide) == ["shadowed 2 rule"])
    #expect(try found(wide, rule("outgoing", "org.example.Door", "/org/example")) == [])
    #expect(try found(wide, rule("*")) == [])
    #expect(try found(wide, rule("outgoing", "org.example.Door", "/org/example/door", "\"Clos*\"")) == [])
    #expect(try found(wide, rule("outgoing", "org.example.Door", "/org/example/door", "\"Open\"", "\"log\": true")) == [])
    let few = rule("outgoing", "org.example.Door", "/org/example/door", "\"Open\"", #""type": "method_call", "max-fds": 1"#)
    #expect(try found(rule(), few) == ["shadowed 3 rule"])
    #expect(try found(few, rule("outgoing", "org.example.*")) == ["shadowed 2 rule"])
  }

  @Test("a name makes a rule narrower: it is covered by the same name or a wider one, and covers no rule without a name")
  func shadowedByName() throws {
    func named(_ name: String) -> String { rule("outgoing", "org.example.Door", "/d", "\"Open\"", "\"name\": \"\(name)\"") }
    let unnamed = rule("outgoing", "org.example.Door", "/d", "\"Open\"", "\"comment\": \"any name\"")
    #expect(try found(unnamed, named("org.house.A")) == ["shadowed 3 rule"])
    #expect(try found(named("org.house.*"), named("org.house.A")) == ["shadowed 3 rule"])
    #expect(try found(named("org.house.*"), named("org.house.a.*")) == ["shadowed 3 rule"])
    #expect(try found(named("org.house.*"), named("org.houses.A")) == [])
    #expect(try found(named("org.house.A"), named("org.house.B")) == [])
  }

  @Test("an allow rule that a deny rule stops entirely is found, and one that it stops in part is not")
  func deniedAllow() throws {
    let deny = rule("outgoing", "org.example.*", "*", "\"*\"", #""type": "method_call", "action": "deny""#)
    #expect(try found(rule(), deny) == ["shadowed 2 rule"])
    #expect(try found(rule("outgoing", "org.*"), deny) == [])
    let narrow = rule("outgoing", "org.example.Door", "*", "\"Open\"", #""action": "deny", "max-fds": 0"#)
    #expect(try found(rule(), narrow) == [])
  }

  @Test("every method of every interface is found, and every method of one interface is not")
  func everything() throws {
    #expect(try found(rule("outgoing", "*", "/org/example/*", "\"*\"")) == ["everything 2 *"])
    #expect(try found(rule("incoming", "**", "*", #"["A", "*"]"#)) == ["everything 2 **"])
    #expect(try found(rule("outgoing", "org.example.*", "*", "\"*\"")) == [])
    #expect(try found(rule("incoming", "*", "/org/example/*", "\"Open\"")) == [])
  }

  @Test("an open RequestName is found however it is opened, and its neighbours are not")
  func openRequestName() throws {
    let bus = "/org/freedesktop/DBus"
    #expect(
      try found(rule("outgoing", "org.freedesktop.DBus", bus, #"["ReleaseName", "RequestName"]"#)) == [
        "open-request-name 2 RequestName"
      ])
    #expect(try found(rule("outgoing", "org.freedesktop.DBus", "*", "\"Request*\"")) == ["open-request-name 2 Request*"])
    #expect(try found(rule("outgoing", "org.freedesktop.DBus", bus, "\"ReleaseName\"")) == [])
    #expect(try found(rule("outgoing", "org.freedesktop.DBus", "/elsewhere", "\"RequestName\"")) == [])
    #expect(try found(rule("incoming", "org.freedesktop.DBus", bus, "\"RequestName\"")) == [])
  }

  @Test(
    "an interface that every service has is found in both directions, and the client's own signals or a service's own are not",
    arguments: [
      ("Properties", "Get", "PropertiesChanged"), ("ObjectManager", "GetManagedObjects", "InterfacesAdded"),
      ("Introspectable", "Introspect", ""), ("Peer", "Ping", ""),
    ])
  func sharedInterface(name: String, method: String, signal: String) throws {
    let interface = "org.freedesktop.DBus.\(name)"
    #expect(try found(rule("outgoing", interface, "/org/example/door", "\"\(method)\"")) == ["shared-interface 2 \(interface)"])
    #expect(try found(rule("incoming", interface, "/org/example/door", "\"\(method)\"")) == ["shared-interface 2 \(interface)"])
    let house = #""name": "org.example.House""#
    #expect(try found(rule("incoming", interface, "/org/example/door", "\"\(method)\"", house)) == [])
    let crowd = #""name": "org.freedesktop.*""#
    #expect(try found(rule("incoming", interface, "/d", "\"\(method)\"", crowd)) == ["shared-interface 2 \(interface)"])
    #expect(
      try found(rule("incoming", interface, "/d", "\"\(method)\"", #""action": "deny", "log": true"#)) == [])
    #expect(try found(rule("outgoing", interface, "/d", "\"\(method)\"", "\"name\": \"org.example.House\"")) == [])
    #expect(try found(rule("outgoing", "org.example.\(name)", "/org/example/door", "\"\(method)\"")) == [])
    if !signal.isEmpty {
      let type = #""type": "signal""#
      #expect(try found(rule("incoming", interface, "*", "\"\(signal)\"", type)) == ["shared-interface 2 \(interface)"])
      #expect(try found(rule("incoming", interface, "*", "\"\(signal)\"", "\(type), \(house)")) == [])
      #expect(try found(rule("outgoing", interface, "*", "\"\(signal)\"", type)) == [])
    }
    let wide = try lint([rule("outgoing", "org.freedesktop.*", "/org/example/door", "\"\(method)\"")])
    #expect(wide.map(\.id) == ["shared-interface"])
  }

  @Test("a signal that goes the other way than the calls is found, and one that goes the same way is not")
  func wrongDirection() throws {
    let signal = "\"type\": \"signal\""
    let opened = "\"Opened\""
    #expect(
      try found(rule(), rule("outgoing", "org.example.Door", "/org/example/door", opened, signal)) == [
        "wrong-direction 3 outgoing"
      ])
    #expect(try found(rule(), rule("incoming", "org.example.Door", "/org/example/door", opened, signal)) == [])
    #expect(
      try found(rule("incoming"), rule("incoming", "org.example.Door", "/org/example/door", opened, signal))
        == ["wrong-direction 3 incoming"])
    #expect(try found(rule("incoming"), rule("outgoing", "org.example.Door", "/org/example/door", opened, signal)) == [])
    #expect(
      try found(rule("outgoing", "org.freedesktop.DBus", "*", "\"NameOwnerChanged\"", signal)) == ["wrong-direction 2 outgoing"])
    #expect(try found(rule("incoming", "org.freedesktop.DBus", "*", "\"NameOwnerChanged\"", signal)) == [])
  }

  @Test("a word that is nearly a well-known one is found, and the word itself and one far from it are not")
  func typo() throws {
    let signal = #""type": "signal", "name": "org.example.House""#
    #expect(
      try found(rule("incoming", "org.freedesktop.DBus.Propertys", "*", "\"X\"", signal)) == [
        "typo 2 org.freedesktop.DBus.Propertys"
      ])
    #expect(
      try found(rule("incoming", "org.freedesktop.DBus.Properties", "*", "\"PropertysChanged\"", signal)) == [
        "typo 2 PropertysChanged"
      ])
    #expect(try found(rule("incoming", "org.freedesktop.DBus.Properties", "*", "\"PropertiesChanged\"", signal)) == [])
    #expect(try found(rule("incoming", "org.freedesktop.systemd1.Manager", "*", "\"PropertyChanged\"", signal)) == [])
    #expect(try found(rule("incoming", "org.freedesktop.DBus.Properties", "*", "\"Properties*\"", signal)) == [])
  }

  @Test("a deny rule that stops nothing is found, and one that stops something is not")
  func idleDeny() throws {
    func deny(_ interface: String, _ path: String = "*", _ method: String = "\"*\"", _ direction: String = "outgoing") -> String {
      rule(direction, interface, path, method, #""type": "method_call", "action": "deny""#)
    }
    #expect(try found(rule(), deny("org.example.Window")) == ["idle-deny 3 rule"])
    #expect(try found(rule(), deny("org.example.Door", "/elsewhere")) == ["idle-deny 3 rule"])
    #expect(try found(rule(), deny("org.example.Door", "*", "\"Open\"", "incoming")) == ["idle-deny 3 rule"])
    #expect(try found(rule("outgoing", "org.example.*"), deny("org.example.Door", "/org/example/d*", "\"O*\"")) == [])
    // The bus's own methods pass without a rule, but for Hello, which no rule takes away.
    #expect(try found(deny("org.freedesktop.DBus", "*", "\"ListNames\"")) == [])
    #expect(try found(deny("org.freedesktop.DBus", "*", "\"Hello\"")) == ["idle-deny 2 rule"])
  }

  @Test("a deny rule that says what is logged stops nothing that passes, and is no mistake")
  func loggedDeny() throws {
    for log in ["true", "false"] {
      let more = #""type": "method_call", "action": "deny", "log": \#(log)"#
      #expect(try found(rule(), rule("outgoing", "org.example.Window", "*", "\"*\"", more)) == [])
    }
    let silent = rule("outgoing", "org.example.Window", "*", "\"*\"", #""type": "method_call", "action": "deny""#)
    #expect(try found(rule(), silent) == ["idle-deny 3 rule"])
  }

  @Test("an open StartServiceByName is found however it is opened, and its neighbours are not")
  func openStart() throws {
    let (interface, bus) = ("org.freedesktop.DBus", "/org/freedesktop/DBus")
    #expect(try found(rule("outgoing", interface, bus, "\"StartServiceByName\"")) == ["open-start 2 StartServiceByName"])
    #expect(try found(rule("outgoing", interface, "*", "\"Start*\"")) == ["open-start 2 Start*"])
    let named = rule("outgoing", interface, bus, "\"StartServiceByName\"", #""name": "org.freedesktop.DBus""#)
    #expect(try found(named) == ["open-start 2 StartServiceByName"])
    #expect(try found(rule("outgoing", interface, bus, "\"StartServiceByName\"", #""name": "org.example.House""#)) == [])
    #expect(try found(rule("outgoing", interface, "/elsewhere", "\"StartServiceByName\"")) == [])
    #expect(try found(rule("incoming", interface, bus, "\"StartServiceByName\"")) == [])
    #expect(try found(rule("outgoing", interface, bus, "\"RequestName\"", #""name": "org.freedesktop.DBus""#)).count == 1)
  }

  @Test("the best known ways out are found, named or by a wildcard, and what is beside or denied is not")
  func waysOut() throws {
    let (systemd, flatpak) = ("org.freedesktop.systemd1.Manager", "org.freedesktop.Flatpak.Development")
    for way in WayOut.all {
      for method in way.methods {
        let name = "\"name\": \"\(way.service)\""
        #expect(try found(rule("outgoing", way.interface, "*", "\"\(method)\"", name)) == ["way-out 2 \(method)"])
        #expect(
          try found(rule("incoming", way.interface, "*", "\"\(method)\"", name)).contains { $0.hasPrefix("way-out") } == false)
      }
    }
    #expect(try found(rule("outgoing", systemd, "*", #"["ListUnits", "Start*"]"#)) == ["way-out 2 Start*"])
    #expect(try found(rule("outgoing", systemd, "*", #"["ListUnits", "StopUnit"]"#)) == [])
    #expect(try found(rule("outgoing", "org.freedesktop.Flatpak.*", "*", "\"*\"")) == ["way-out 2 *"])
    #expect(try found(rule("outgoing", flatpak, "*", "\"HostCommandSignal\"")) == [])
    #expect(try found(rule("outgoing", flatpak, "*", "\"HostCommand\"", #""name": "org.example.House""#)) == [])
    let signal = #""type": "signal""#
    #expect(try found(rule("outgoing", flatpak, "*", "\"HostCommand\"", signal)) == [])
    let deny = rule("outgoing", flatpak, "*", "\"HostCommand\"", #""action": "deny""#)
    #expect(try found(rule("outgoing", flatpak, "/org/freedesktop/Flatpak/Development", "\"*\""), deny) == [])
    let elsewhere = rule("outgoing", flatpak, "/a", "\"HostCommand\"", #""action": "deny""#)
    #expect(try found(rule("outgoing", flatpak, "*", "\"*\""), elsewhere) == ["way-out 2 *"])
  }

  @Test("a rule that no message meets is found by its other keys too")
  func neverMet() throws {
    #expect(try found(rule("outgoing", "org.freedesktop.DBus.Local")) == ["never-matches 2 org.freedesktop.DBus.Local"])
    #expect(try found(rule("outgoing", "org.example.DBus.Local")) == [])
    #expect(try found(rule("outgoing", "a.b", "/org/freedesktop/DBus/Local")) == ["never-matches 2 /org/freedesktop/DBus/Local"])
    #expect(try found(rule("outgoing", "a.b", "/org/freedesktop/DBus/Local/a")) == [])
    func deny(_ number: Int) -> String {
      rule("outgoing", "org.example.Door", "*", "\"*\"", #""action": "deny", "max-fds": \#(number)"#)
    }
    #expect(try found(rule(), deny(253)).map { String($0.prefix(15)) } == ["never-matches 3"])
    #expect(try found(rule(), deny(252)) == [])
    let driver = #""type": "method_call", "name": "org.freedesktop.DBus""#
    #expect(try found(rule("incoming", "a.b", "/a", "\"M\"", driver)) == ["never-matches 2 org.freedesktop.DBus"])
    #expect(try found(rule("outgoing", "a.b", "/a", "\"M\"", driver)) == [])
    let long = "org." + String(repeating: "a", count: 252)
    #expect(try found(rule("outgoing", "a.b", "/a", "\"M\"", "\"name\": \"\(long)\"")) == ["never-matches 2 \(long)"])
    #expect(try found(rule("outgoing", "a.b", "/a", "\"M\"", "\"name\": \"\(long.dropLast())\"")) == [])
    #expect(try found(rule("outgoing", long)) == ["never-matches 2 \(long)"])
    #expect(try found(rule("outgoing", String(long.dropLast()))) == [])
  }

  private func names(_ level: String, _ patterns: String) throws -> [String] {
    let text = #"{"busgate": {"names": {"\#(level)": \#(patterns)}}}"#
    return Linter.findings(in: try GatewayDocument.parse(Array(text.utf8), file: "f").names).map { finding in
      let word = text.dropFirst(finding.location.column).prefix { $0 != "\"" }
      return "\(finding.id) \(word)"
    }
  }

  @Test(
    "names of nearly everybody are found where they stand, and a service's or a project's are not",
    arguments: ["own", "talk", "see"])
  func openNames(level: String) throws {
    for pattern in ["*", "*.*", "org.*", "org.freedesktop.*", "*.freedesktop.*", "org.free*", "org.gnome.*"] {
      #expect(try names(level, #"["org.example.House", "\#(pattern)"]"#) == ["open-names \(pattern)"])
    }
    let meant = #"["org.example.*", "org.freedesktop.portal.*", "org.freedesktop", "*.example.House", "com.example.Ho*"]"#
    #expect(try names(level, meant) == [])
  }

  @Test("documents that open nothing on the bus that they are for are found, and those that open a rule or a name are not")
  func closedBus() throws {
    func closed(_ text: String) throws -> String? {
      let document = try GatewayDocument.parse(Array(text.utf8), file: "f")
      let policy = Policy(rules: document.sessionRules, names: document.names, busName: "SESSION")
      let place = SourceLocation(file: "f", line: 1, column: 1)
      return Linter.closedBus(policy, .session, otherCount: document.systemRules.count, at: place)?.message
    }
    #expect(try closed("{}")?.hasPrefix("nothing is open on the session bus, expected") == true)
    #expect(try closed(#"{"busgate": {"names": {}}}"#) != nil)
    #expect(
      try closed("{\"dbus-gateway-config-system\": [\(rule())]}")?.contains("while there are rules for the other bus") == true)
    let deny = rule("outgoing", "a.b", "/a", "\"M\"", #""action": "deny""#)
    #expect(try closed("{\"dbus-gateway-config-session\": [\(deny), \(rule("outgoing", "a-b"))]}") != nil)
    #expect(try closed("{\"dbus-gateway-config-session\": [\(deny), \(rule())]}") == nil)
    #expect(try closed(#"{"busgate": {"names": {"see": ["org.example.House"]}}}"#) == nil)
  }

  @Test("a wildcard over what only a literal rule opens is found, and the literal rule is not")
  func closedDriver() throws {
    let path = "/org/freedesktop/DBus"
    #expect(try found(rule("outgoing", "org.freedesktop.DBus.Monitoring", path, "\"*\"")) == ["closed-driver 2 *"])
    #expect(
      try found(rule("outgoing", "org.freedesktop.DBus.Monitoring", path, "\"BecomeMonitor\"")) == ["way-out 2 BecomeMonitor"])
    #expect(try found(rule("outgoing", "org.freedesktop.DBus.Debug.Stats", path, "\"Get*\"")) == ["closed-driver 2 Get*"])
    #expect(try found(rule("outgoing", "org.example.Monitoring", path, "\"*\"")) == [])
  }

  @Test("ten thousand rules are checked in seconds, and progress is told")
  func many() throws {
    let rules = (0..<10_000).map { number in
      rule("outgoing", "org.example.I\(number / 20)", "/org/example/o\(number % 20)", #"["Get\#(number)", "Set\#(number)"]"#)
    }
    var told: [Int] = []
    let text = Array("{\"dbus-gateway-config-session\": [\n\(rules.joined(separator: ",\n"))\n]}".utf8)
    let document = try GatewayDocument.parse(text, file: "f")
    var linter = Linter(Policy(rules: document.sessionRules, busName: "SESSION"), outline: RuleOutline())
    #expect(linter.run { told.append($0) } == [])
    #expect(told.first == 0 && told.last == 10_000 && told == told.sorted())
  }
}
