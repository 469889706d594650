// What a session makes of messages: header, verdict from its memory, reply table, all in one. As the server offers them: in batches.

import GatePolicy
import GateSession

extension Subject {
  static var sessions: [Subject] {
    let window = 64
    return [
      Subject("calls of one kind and their returns", operations: window) {
        exchange(rules: Rules.many(10), calls: window, kinds: nil)
      }
    ]
      + [1_000, 10_000].map { rules in
        Subject("calls of 1000 kinds and their returns, \(rules) rules", operations: 1_000) {
          exchange(rules: Rules.kinds(1_000, among: rules), calls: 1_000, kinds: 1_000)
        }
      } + [
        Subject("reply table, 10000 outstanding", operations: 10_000) {
          exchange(rules: Rules.many(10), calls: 10_000, kinds: nil, answeredBackwards: true)
        },
        Subject("denial", operations: window) { deny(calls: window) },
      ]
  }

  /// So many calls go by, then their returns come back.
  private static func exchange(rules: [GatewayRule], calls: Int, kinds: Int?, answeredBackwards: Bool = false) -> () -> Void {
    let conversation = Conversation(rules: rules)
    let serials = (1...UInt32(calls)).map { $0 + 1 }
    let out = serials.flatMap { serial in Message.call(serial, kind: kinds.map { Int(serial) % $0 }) }
    let back = (answeredBackwards ? serials.reversed() : serials).flatMap { Message.answer(to: $0) }
    return {
      conversation.feed(out, from: .client)
      precondition(conversation.pendingReplies == calls, "a call was not forwarded")
      conversation.feed(back, from: .bus)
      precondition(conversation.pendingReplies == 0, "a return was not forwarded")
    }
  }

  private static func deny(calls: Int) -> () -> Void {
    let conversation = Conversation(rules: Rules.many(10))
    let out = (1...UInt32(calls)).flatMap { Message.call($0 + 1, kind: 1) }
    return {
      conversation.feed(out, from: .client)
      precondition(conversation.pendingReplies == 0, "a call was forwarded")
    }
  }
}
