// How events are written: one event is one line, or one datagram, whatever is in it.

import Testing

@testable import GateServer

@Suite("log formats")
struct LogFormatTests {
  /// An event at a known time.
  private static func event(_ kind: LogEvent.Kind, _ fields: [(LogKey, String)]) -> LogEvent {
    var event = LogEvent(kind)
    event.time = LogTime(seconds: 1_769_851_800, nanoseconds: 250_999_999)
    for (key, value) in fields { event.add(key, value) }
    return event
  }

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test("a decision in text begins with its verdict and the time")
  func decision() {
    var event = Self.event(.decision, [(.verdict, "deny"), (.gate, "session"), (.rule, "a b:1")])
    event.add(.serial, 7 as UInt32)
    #expect(
      Self.text(TextFormat.write(event)) == "deny 2026-01-31T09:30:00.250Z gate=session rule=\"a b:1\" serial=7\n")
    #expect(
      Self.text(JSONFormat.write(event))
        == #"{"time":"2026-01-31T09:30:00.250Z","event":"decision","verdict":"deny","gate":"session","rule":"a b:1","serial":7}"#
        + "\n")
  }

  @Test("the name of an instance is what systemd allows, to 255 bytes")
  func instances() {
    for name in ["r", "radio-2.a:b_c@d\\x2de", "AZaz09", String(repeating: "r", count: 255)] {
      #expect(InstanceName(name)?.description == name)
    }
    for name in ["", "a b", "a/b", "a\nb", "a\0", "é", "a%i", "a=b", "\"", String(repeating: "r", count: 256)] {
      #expect(InstanceName(name) == nil)
    }
  }

  private static let decided: [(LogKey, String)] = [
    (.verdict, "deny"), (.gate, "session"), (.pid, "12"), (.uid, "1000"), (.cgroup, "/radio"), (.direction, "outgoing"),
    (.type, "method_call"), (.destination, ":1.5"), (.path, "/door"), (.interface, "org.example.Door"), (.member, "Open"),
    (.reason, "no-rule"),
  ]

  static let sentences: [(changes: [(LogKey, String)], sentence: String)] = [
    ([], "deny session: pid 12 (uid 1000, /radio) called org.example.Door.Open on /door of :1.5: no rule allows it"),
    (
      [(.name, "org.example.House"), (.nearest, "p.json:4"), (.miss, "interface,object-path,method")],
      "deny session: pid 12 (uid 1000, /radio) called org.example.Door.Open on /door of org.example.House (:1.5): no rule allows it"
        + "; nearest is p.json:4, which misses interface, object-path and method"
    ),
    (
      [(.direction, "incoming"), (.sender, ":1.9"), (.nearest, "p.json:4"), (.miss, "method")],
      "deny session: :1.9 called org.example.Door.Open on /door of pid 12 (uid 1000, /radio): no rule allows it"
        + "; nearest is p.json:4, which misses method"
    ),
    (
      [(.count, "39"), (.clients, "38"), (.rule, "p.json:4"), (.reason, "rule")],
      "deny session (39 more): 38 clients (uid 1000, /radio) called org.example.Door.Open on /door of :1.5: the deny rule at p.json:4 stops it"
    ),
    (
      [(.verdict, "allow"), (.rule, "p.json:4"), (.reason, "rule")],
      "allow session: pid 12 (uid 1000, /radio) called org.example.Door.Open on /door of :1.5: p.json:4 allows it"
    ),
    (
      [(.member, "Op\u{1B}[2J\nen\""), (.about, "x y")],
      #"deny session: pid 12 (uid 1000, /radio) called org.example.Door."Op\u{1b}[2J\u{a}en\"" about "x y" on /door of :1.5: no rule allows it"#
    ),
    (
      [(.type, "error"), (.error, "org.example.E"), (.reason, "stray-reply"), (.verdict, "drop")],
      "drop session: pid 12 (uid 1000, /radio) answered :1.5 with error org.example.E: answers need no rule: each passes once, to a call "
        + "that was forwarded; without one it is dropped"
    ),
    (
      [(.path, "/" + String(repeating: "x", count: 200))],
      "deny session: pid 12 (uid 1000, /radio) called org.example.Door.Open on \"/" + String(repeating: "x", count: 127)
        + "…\" of :1.5: no rule allows it"
    ),
  ]

  @Test("the journal's MESSAGE says who asked whom for what, why not, and what came nearest", arguments: sentences)
  func says(changes: [(LogKey, String)], sentence: String) {
    let changed = Set(changes.map(\.0))
    let event = Self.event(.decision, Self.decided.filter { !changed.contains($0.0) } + changes)
    #expect(event.sentence(of: nil) == sentence)
    let named = event.sentence(of: InstanceName("radio"))
    #expect(named == sentence.replacing("session", with: "radio/session", maxReplacements: 1))
  }

  @Test("what the journal's catalog explains has its MESSAGE_ID, and nothing else has one")
  func messageIDs() {
    func id(_ kind: LogEvent.Kind, _ fields: [(LogKey, String)] = []) -> MessageID? { Self.event(kind, fields).messageID }
    for verdict in ["deny", "drop"] {
      #expect(id(.decision, [(.verdict, verdict), (.reason, "no-rule")]) == .denied)
      #expect(id(.decision, [(.verdict, verdict), (.reason, "names-max")]) == .refusedByLimit)
    }
    #expect(id(.decision, [(.verdict, "audit"), (.reason, "no-rule")]) == .audited)
    #expect(id(.decision, [(.verdict, "allow"), (.reason, "rule")]) == nil)
    #expect(id(.reload, [(.outcome, "refused")]) == .reloadRefused && id(.reload, [(.outcome, "done")]) == nil)
    #expect(id(.limit) == .limit && id(.suppressed) == .suppressed && id(.lost) == .lost)
    for kind in [LogEvent.Kind.opened, .closed, .error, .warning, .note] { #expect(id(kind) == nil) }
    for id in MessageID.allCases { #expect(id.rawValue.wholeMatch(of: /[0-9a-f]{32}/) != nil) }
    #expect(Set(MessageID.allCases.map(\.rawValue)).count == MessageID.allCases.count)
  }

  @Test("an instance's name stands in every event, in a sentence too, and where there is none no key does")
  func instance() {
    let event = Self.event(.error, [(.message, "it broke")])
    let name = InstanceName("radio@\\x2d")
    #expect(
      Self.text(LogFormat.text.write(event, of: name))
        == #"error 2026-01-31T09:30:00.250Z instance="radio@\\x2d" message="it broke""# + "\n")
    #expect(Self.text(LogFormat.json.write(event, of: name)).contains(#""event":"error","instance":"radio@\\x2d","#))
    #expect(Self.text(LogFormat.journal.write(event, of: name)).contains("\nBUSGATE_INSTANCE=radio@\\x2d\n"))
    for format in LogFormat.allCases { #expect(!Self.text(format.write(event)).lowercased().contains("instance")) }
  }

  @Test(
    "a sentence in text is one as other programs write it",
    arguments: [
      (LogEvent.Kind.error, "busgate: error: it broke\n"), (.warning, "busgate: warning: it broke\n"),
      (.note, "busgate: it broke\n"),
    ])
  func sentence(kind: LogEvent.Kind, expected: String) {
    #expect(Self.text(TextFormat.write(LogEvent(kind, message: "it broke"))) == expected)
  }

  static let values: [(value: String, text: String)] = [
    ("plain:1", "plain:1"), ("", "\"\""), ("a b", "\"a b\""), ("a=b", "a=b"), ("q\"", #""q\"""#), (#"b\"#, #""b\\""#),
    ("é", "\"é\""), ("l\nf", #""l\u{a}f""#), ("\u{0}", #""\u{0}""#), ("\u{7F}", #""\u{7f}""#), ("\u{9B}2J", #""\u{9b}2J""#),
    ("a\u{202E}b", #""a\u{202e}b""#), ("a\u{2028}b", #""a\u{2028}b""#), ("a\r\nb", #""a\u{d}\u{a}b""#),
  ]

  @Test("a value is plain or in quotes, and on one line", arguments: values)
  func quoting(value: String, text: String) {
    #expect(TextFormat.quoted(value) == text)
    for format in [LogFormat.text, .json] {
      let line = format.write(Self.event(.closed, [(.reason, value)]))
      #expect(line.count { $0 == UInt8(ascii: "\n") } == 1 && line.last == UInt8(ascii: "\n"))
      let asSentence = format.write(LogEvent(.error, message: value))
      #expect(asSentence.count { $0 == UInt8(ascii: "\n") } == 1 && !asSentence.contains(0x1B))
    }
  }

  @Test("a value with a line feed goes to the journal with its length in front")
  func journal() {
    var datagram: [UInt8] = []
    JournalFormat.append("A", "x=y", to: &datagram)
    JournalFormat.append("B", "x\nC=y", to: &datagram)
    #expect(datagram == Array("A=x=y\nB\n".utf8) + [5, 0, 0, 0, 0, 0, 0, 0] + Array("x\nC=y\n".utf8))
  }

  @Test("an event for the journal has what journalctl shows")
  func journalFields() {
    var event = Self.event(.decision, [(.verdict, "deny"), (.direction, "outgoing"), (.type, "signal"), (.interface, "a.B")])
    event.add(.replySerial, 7 as UInt32)
    let lines = Self.text(JournalFormat.write(event)).split(separator: "\n")
    #expect(lines.first == "MESSAGE=deny: a client sent signal a.B.- on -: -")
    for field in [
      "MESSAGE_ID=\(MessageID.denied.rawValue)", "PRIORITY=4", "SYSLOG_IDENTIFIER=busgate", "BUSGATE_EVENT=decision",
      "BUSGATE_REPLY_SERIAL=7",
    ] {
      #expect(lines.contains { $0 == field })
    }
  }

  @Test(
    "an event that stands for several names no single message, and no single client where there were several", arguments: [0, 39])
  func counts(others: Int) {
    for direction in ["outgoing", "incoming"] {
      var event = Self.event(
        .decision, [(.verdict, "deny"), (.direction, direction), (.sender, ":1.7"), (.destination, ":1.8"), (.path, "/a")])
      for key in [LogKey.connection, .pid, .uid, .serial, .bytes] { event.add(key, 9) }
      event.become(count: 39, otherClients: others)
      let client: LogKey = direction == "outgoing" ? .sender : .destination
      let kept: [LogKey] = [.verdict, .direction, .sender, .destination, .path, .connection, .pid, .uid]
      #expect(
        event.fields.map(\.key)
          == (others == 0 ? kept + [.count] : kept.filter { ![client, .connection, .pid].contains($0) } + [.count, .clients]))
    }
  }

  @Test(
    "a text is cut at 1024 bytes, not inside of a character",
    arguments: [
      ("x", 1024, 1024), ("x", 1025, 1024), ("é", 512, 1024), ("é", 513, 1024), ("€", 342, 1023), ("🙂", 257, 1024),
    ])
  func cutting(character: String, count: Int, kept: Int) {
    let whole = String(repeating: character, count: count)
    let event = Self.event(.closed, [(.reason, whole)])
    let isCut = whole.utf8.count > LogEvent.textBytesMax
    #expect(event[.reason] == .text(isCut ? String(whole.utf8.prefix(kept))! + "…" : whole))
  }

  @Test("every key has a meaning, and can be a field of the journal")
  func keys() {
    for key in LogKey.allCases {
      #expect(!key.meaning.isEmpty && !key.meaning.contains("\t") && !key.meaning.contains("\n"))
      #expect(key.rawValue.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == UInt8(ascii: "-") })
    }
  }
}
