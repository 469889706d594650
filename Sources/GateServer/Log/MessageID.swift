// The MESSAGE_IDs of the journal: the one place that has them. What `journalctl -x` says of each stands in contrib/systemd/busgate.catalog; a test
// compares the two.
//
// Source: systemd, "Message Catalog": 128 bits of chance, made once (`systemd-id128 new`), that never mean anything else.

import GateSession

/// An event that the journal's catalog explains.
public enum MessageID: String, CaseIterable, Sendable {
  case denied = "b3988cdd29ee4a9fb34b97b8150afd64"
  case refusedByLimit = "a89a863595174f8888edae1924fb3447"
  case audited = "dfb4868140884dbca646f349fd1185ab"
  case limit = "b9d999cfc4c9452aa049f35ba7c76633"
  case reloadRefused = "13f1e0a499cc44dda000e9fac4afce21"
  case suppressed = "92151ee48fcd4fc3a8f33244ccc4f246"
  case lost = "aa6051bca0ae47299e4eb6dc67e47908"

  /// Which events have it, in a sentence.
  public var meaning: String {
    switch self {
    case .denied: "a decision: deny or drop, by the rules or since nobody may"
    case .refusedByLimit: "a decision: deny or drop, for a limit that its reason names"
    case .audited: "a decision: audit, forwarded although the rules do not allow it"
    case .limit: "a limit was hit otherwise, the key limit says which"
    case .reloadRefused: "a reload was refused"
    case .suppressed: "--log-rate held events back"
    case .lost: "events could not be written"
    }
  }
}

extension LogEvent {
  /// Its entry in the journal's catalog; nil: what it says is all.
  var messageID: MessageID? {
    switch kind {
    case .decision: decisionID
    case .limit: .limit
    case .reload: self[.outcome] == .text("refused") ? .reloadRefused : nil
    case .suppressed: .suppressed
    case .lost: .lost
    case .opened, .closed, .error, .warning, .note: nil
    }
  }

  private var decisionID: MessageID? {
    switch self[.verdict] {
    case .text("allow"): nil
    case .text("audit"): .audited
    default: Verdict.Reason(word: text(.reason))?.entry.limit == nil ? .denied : .refusedByLimit
    }
  }
}
