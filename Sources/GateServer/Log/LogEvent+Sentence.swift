// The journal's MESSAGE: who asked whom for what, why it did not pass and what came nearest, for people who read that alone. It begins as a line
// of text does, with the verdict or the event, and the gate; what a peer wrote stands in it as TextFormat quotes it, and is cut.
//
// `busgatectl explain` and `learn` tell by these first words that they were given MESSAGEs instead of entries (LogLine.swift).

import GateSession

extension LogEvent {
  /// Bytes of a peer's text that stand in a sentence; the fields have more.
  private static let shownBytesMax = 128

  /// The sentence.
  func sentence(of instance: InstanceName?) -> String {
    let gate = (instance.map { [$0.description] } ?? []) + (has(.gate) ? [text(.gate)] : [])
    let more = has(.count) ? " (\(text(.count)) more)" : ""
    let place = (gate.isEmpty ? "" : " " + gate.joined(separator: "/")) + more + ": "
    switch kind {
    case .decision: return "\(text(.verdict))\(place)\(deed): \(why)\(nearest)"
    case .opened: return "opened\(place)\(client) connected"
    case .closed:
      return
        "closed\(place)\(client): \(text(.reason)); \(Self.counted(text(.allowed), "message")) forwarded, \(text(.denied)) not"
    case .limit: return "limit\(place)\(text(.limit)): \(told)"
    case .suppressed:
      return
        "suppressed\(place)--log-rate held back \(Self.counted(text(.decisions), "decision")) and "
        + "\(Self.counted(text(.connections), "event")) about connections"
    case .lost: return "lost\(place)\(Self.counted(text(.lost), "event")) of the log could not be written"
    case .reload, .error, .warning, .note: return has(.gate) ? "\(kind.rawValue)\(place)\(told)" : told
    }
  }

  /// What the event says, and of whom.
  private var told: String { text(.message) + (has(.uid) ? "; \(client)" : "") }

  // MARK: Who did what

  private var deed: String {
    let isOutgoing = self[.direction] != .text("incoming")
    let peer = peer(isOutgoing ? .destination : .sender)
    let (doer, other) = isOutgoing ? (client, peer) : (peer ?? "somebody", client)
    let what = (has(.interface) ? shown(.interface) + "." : "") + shown(.member) + (has(.about) ? " about \(shown(.about))" : "")
    switch text(.type) {
    case "method_call": return "\(doer) called \(what) on \(shown(.path))\(other.map { " of \($0)" } ?? "")"
    case "signal": return "\(doer) sent signal \(what) on \(shown(.path))\(other.map { " to \($0)" } ?? "")"
    case "method_return": return "\(doer) answered \(other ?? "nobody")"
    case "error": return "\(doer) answered \(other ?? "nobody") with error \(shown(.error))"
    default: return "\(doer) sent a message of type \(text(.type))\(other.map { " to \($0)" } ?? "")"
    }
  }

  /// The client as the kernel knows it.
  private var client: String {
    let who = has(.clients) ? Self.counted(text(.clients), "client") : has(.pid) ? "pid \(text(.pid))" : "a client"
    let what = [has(.uid) ? "uid \(text(.uid))" : "", has(.cgroup) ? shown(.cgroup) : ""].filter { !$0.isEmpty }
    return what.isEmpty ? who : "\(who) (\(what.joined(separator: ", ")))"
  }

  /// Whoever is at the other end; nil if nobody is named.
  private func peer(_ key: LogKey) -> String? {
    if has(.name) { return "\(shown(.name))\(has(key) ? " (\(shown(key)))" : "")" }
    return has(key) ? shown(key) : nil
  }

  // MARK: Why

  private var why: String {
    guard let reason = Verdict.Reason(word: text(.reason)) else { return text(.reason) }
    let passes = self[.verdict] == .text("allow")
    if reason == .rule && has(.rule) { return passes ? "\(shown(.rule)) allows it" : "the deny rule at \(shown(.rule)) stops it" }
    return reason.entry.sentence.description + (has(.rule) ? " (\(shown(.rule)))" : "")
  }

  private var nearest: String {
    if !has(.nearest) { return "" }
    let parts = text(.miss).split(separator: ",")
    let last = parts.last.map(String.init) ?? "nothing"
    let misses = parts.count < 2 ? last : parts.dropLast().joined(separator: ", ") + " and " + last
    return "; nearest is \(shown(.nearest)), which misses \(misses)"
  }

  // MARK: Values

  private static func counted(_ number: String, _ word: String) -> String { "\(number) \(word)\(number == "1" ? "" : "s")" }

  private func has(_ key: LogKey) -> Bool { self[key] != nil }

  /// A value of the gate's own.
  func text(_ key: LogKey) -> String { self[key]?.description ?? "-" }

  /// A value that a peer wrote, or that is a file's name.
  private func shown(_ key: LogKey) -> String {
    self[key].map { TextFormat.quoted(Self.cut($0.description, Self.shownBytesMax)) } ?? "-"
  }
}
