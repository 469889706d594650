// What is to be said about a configuration that was learned, for people and for programs.

import GatePolicy
import PolicyTools

/// Writes the report on a learned policy.
struct LearnPrinter {
  let console: Console
  let reader: DecisionLogReader
  let policy: LearnedPolicy

  /// Things of one kind that are shown to people; the others are counted. JSON has them all.
  private static let shownMax = 40

  /// Whether everything that should be was read and learned, and is allowed by what was made of it.
  var isComplete: Bool {
    reader.unreadableCount == 0 && policy.unlearnable.isEmpty && reader.tally.droppedCount == 0
      && policy.replayed == policy.learned && policy.learned.distinct > 0
  }

  // MARK: For people

  /// The report, on standard error.
  func printReport() {
    for line in reader.unreadable { say("\(line.file):\(line.line):\(line.column):", .red, "error: \(line.message)") }
    let more = reader.unreadableCount - reader.unreadable.count
    if more > 0 { say("error:", .red, "\(more) more lines could not be read") }
    if reader.tally.droppedCount > 0 {
      say(
        "error:", .red,
        "\(reader.tally.droppedCount) messages were not learned, expected at most \(DecisionTally.distinctMax) different ones")
    }
    show(policy.unlearnable) { say("\($0.place):", .red, "error: not learned: \($0.problem)\(times($0.count))") }
    show(policy.leftOut) { left in
      let several = left.count == 1 ? ":" : ", \(left.count) messages, such as"
      say("left out:", .yellow, "\(left.verdict.rawValue) \(left.reason)\(several) \(left.example) (\(left.place))")
    }
    show(policy.generalisations) { say("generalised:", .yellow, "\($0.bus.rawValue) \($0.pattern): \($0.reason.dropFirst(13))") }
    show(policy.surplus) {
      say("also allows:", .yellow, "\($0.bus.rawValue) \($0.example), by \($0.interface == "*" ? "interface *" : $0.path)")
    }
    if !policy.isSurplusComplete { say("also allows:", .yellow, "more, maybe: some rules together are too hard to compare") }
    if policy.learned.distinct == 0 { say("error:", .red, "nothing to learn, expected a log taken with --mode audit") }
    console.printError(
      "\(count(reader.lineCount, "line")) about \(count(reader.tally.messageCount, "message")); \(policy.needless) need no rule; "
        + "replayed: \(policy.replayed.messages) of \(policy.learned.messages), \(policy.replayed.distinct) of "
        + "\(policy.learned.distinct) different ones, allowed by \(count(policy.ruleCount, "rule"))")
  }

  private func say(_ word: String, _ style: Console.Style, _ text: String) {
    console.printError("\(console.styled(word, style, onError: true)) \(text)")
  }

  private func show<Item>(_ items: [Item], _ body: (Item) -> Void) {
    items.prefix(Self.shownMax).forEach(body)
    if items.count > Self.shownMax { console.printError("… and \(items.count - Self.shownMax) more; --json has them all") }
  }

  private func times(_ count: Int) -> String { count == 1 ? "" : ", \(count) times" }
  private func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }

  // MARK: For programs

  /// One object.
  func json() -> String {
    var json = JSONWriter()
    json.object { json in
      json.key("configuration")
      json.value(policy.configuration)
      json.member("complete", isComplete)
      json.member("rules", policy.ruleCount)
      writeCounts(&json)
      json.key("unreadable")
      json.array { json in
        for line in reader.unreadable {
          json.object { json in
            json.member("file", line.file)
            json.member("line", line.line)
            json.member("column", line.column)
            json.member("message", line.message)
          }
        }
      }
      json.key("not-learned")
      json.array { json in
        for item in policy.unlearnable {
          json.object { json in
            json.member("place", item.place)
            json.member("message", item.problem)
            json.member("count", item.count)
          }
        }
      }
      writeStory(&json)
    }
    return String(decoding: json.text, as: UTF8.self)
  }

  private func writeCounts(_ json: inout JSONWriter) {
    json.member("lines", reader.lineCount)
    json.member("unreadable-lines", reader.unreadableCount)
    json.member("messages", reader.tally.messageCount)
    json.member("needless", policy.needless)
    json.member("learned", policy.learned.messages)
    json.member("learned-different", policy.learned.distinct)
    json.member("replayed", policy.replayed.messages)
    json.member("replayed-different", policy.replayed.distinct)
    json.member("too-many-different", reader.tally.droppedCount)
  }

  private func writeStory(_ json: inout JSONWriter) {
    json.key("left-out")
    json.array { json in
      for item in policy.leftOut {
        json.object { json in
          json.member("verdict", item.verdict.rawValue)
          json.member("reason", item.reason)
          json.member("count", item.count)
          json.member("example", item.example)
          json.member("place", item.place)
        }
      }
    }
    json.key("generalised")
    json.array { json in
      for item in policy.generalisations {
        json.object { json in
          json.member("bus", item.bus.rawValue)
          json.member("pattern", item.pattern)
          json.member("reason", item.reason)
        }
      }
    }
    json.key("also-allows")
    json.array { json in
      for item in policy.surplus {
        json.object { json in
          json.member("bus", item.bus.rawValue)
          json.member("interface", item.interface)
          json.member("path", item.path)
          json.key("example")
          json.example(item.example)
        }
      }
    }
    json.member("also-allows-complete", policy.isSurplusComplete)
  }
}
