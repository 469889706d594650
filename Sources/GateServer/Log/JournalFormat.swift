// The log as the journal wants it: one datagram an event, one field a line; a value with a line feed is written with its length in
// front, so that nothing in it can be taken for a field.
//
// Source: systemd, "Native Journal Protocol" (JOURNAL_NATIVE_PROTOCOL). Field names are capitals, digits and `_`.

enum JournalFormat {
  static func write(_ event: LogEvent, of instance: InstanceName? = nil) -> [UInt8] {
    var datagram: [UInt8] = []
    let sentence = TextFormat.printable(event.sentence(of: instance))
    append("MESSAGE", sentence, to: &datagram)
    if let id = event.messageID { append("MESSAGE_ID", id.rawValue, to: &datagram) }
    append("PRIORITY", String(event.priority), to: &datagram)
    append("SYSLOG_IDENTIFIER", "busgate", to: &datagram)
    append("BUSGATE_TIME", event.time.description, to: &datagram)
    append("BUSGATE_EVENT", event.kind.rawValue, to: &datagram)
    if let instance { append(name(.instance), instance.description, to: &datagram) }
    for (key, value) in event.fields where key != .message || value != .text(sentence) {
      append(name(key), value.description, to: &datagram)
    }
    return datagram
  }

  private static func name(_ key: LogKey) -> String {
    "BUSGATE_" + String(key.rawValue.uppercased().map { $0 == "-" ? "_" : $0 })
  }

  static func append(_ name: String, _ value: String, to datagram: inout [UInt8]) {
    datagram += name.utf8
    if value.utf8.contains(UInt8(ascii: "\n")) {
      datagram.append(UInt8(ascii: "\n"))
      let count = UInt64(value.utf8.count)
      for shift in stride(from: 0, to: 64, by: 8) { datagram.append(UInt8(truncatingIfNeeded: count >> UInt64(shift))) }
    } else {
      datagram.append(UInt8(ascii: "="))
    }
    datagram += value.utf8
    datagram.append(UInt8(ascii: "\n"))
  }
}
