// The log as JSON: one object a line, the same keys as the text, numbers as numbers.

import GatePolicy

enum JSONFormat {
  static func write(_ event: LogEvent, of instance: InstanceName? = nil) -> [UInt8] {
    var json = JSONWriter()
    json.object { json in
      json.member("time", event.time.description)
      json.member("event", event.kind.rawValue)
      if let instance { json.member("instance", instance.description) }
      for (key, value) in event.fields {
        json.key(key.rawValue)
        switch value {
        case .text(let text): json.value(text)
        case .number(let number): json.value(number)
        }
      }
    }
    json.endLine()
    return json.text
  }
}
