// One event of the log, before it is written in one of the formats: what it is, when, and its keys in a fixed order. No event ever
// holds a message's body.

/// Something that an operator may want to know.
struct LogEvent: Sendable {
  /// What happened.
  enum Kind: String, Sendable {
    /// A message was decided on.
    case decision
    /// A client connected; its connection ended.
    case opened, closed
    /// A limit was hit.
    case limit
    /// The configuration was read again.
    case reload
    /// Events were held back by the rate; events could not be written.
    case suppressed, lost
    /// For people: must be mended, should be known, is nice to know.
    case error, warning, note
  }

  enum Value: Sendable, Equatable {
    case text(String)
    case number(UInt64)

    var description: String {
      switch self {
      case .text(let text): text
      case .number(let number): String(number)
      }
    }

    fileprivate var isUniqueName: Bool {
      if case .text(let text) = self { text.utf8.first == UInt8(ascii: ":") } else { false }
    }
  }

  /// Bytes of a text that are kept; beyond, it is cut and ends with `…`. Names have 255 at most, paths no limit of their own.
  static let textBytesMax = 1024

  let kind: Kind
  var time = LogTime.now()
  /// In the order they are written in.
  private(set) var fields: [(key: LogKey, value: Value)] = []

  init(_ kind: Kind) {
    self.kind = kind
    fields.reserveCapacity(24)
  }

  /// An event that is a sentence.
  init(_ kind: Kind, message: String) {
    self.kind = kind
    add(.message, message)
  }

  mutating func add(_ key: LogKey, _ text: String) { fields.append((key, .text(Self.cut(text)))) }
  mutating func add(_ key: LogKey, _ number: some BinaryInteger) { fields.append((key, .number(UInt64(clamping: number)))) }

  /// A number of an event that stands for several, of which one more has this.
  mutating func addUp(_ key: LogKey, _ number: UInt64, afresh: Bool) {
    guard let place = fields.firstIndex(where: { $0.key == key }), case .number(let sum) = fields[place].value else { return }
    fields[place].value = .number(afresh ? number : sum &+ number)
  }

  /// Forgets what belongs to a single message, and to a single client if there were others, for an event that stands for several.
  mutating func become(count: Int, otherClients: Int) {
    time = .now()
    let own: LogKey = self[.direction] == .text("incoming") ? .destination : .sender
    fields.removeAll { field in
      switch field.key {
      case .serial, .replySerial, .bytes, .fds, .signature: true
      case .connection, .pid: otherClients > 0
      case own: otherClients > 0 && field.value.isUniqueName
      default: false
      }
    }
    add(.count, count)
    if otherClients > 0 { add(.clients, otherClients) }
  }

  subscript(_ key: LogKey) -> Value? { fields.first { $0.key == key }?.value }

  /// How grave it is, as syslog(3) numbers it.
  var priority: Int {
    switch kind {
    case .error: 3
    case .warning, .limit, .suppressed, .lost: 4
    case .closed: 5
    case .opened, .note: 6
    case .reload: self[.outcome] == .text("done") ? 6 : 3
    case .decision:
      switch self[.verdict] {
      case .text("deny"): 4
      case .text("audit"), .text("drop"): 5
      default: 6
      }
    }
  }

  static func cut(_ text: String, _ bytesMax: Int = textBytesMax) -> String {
    if text.utf8.count <= bytesMax { return text }
    var kept = bytesMax
    // Not inside of a character.
    while kept > 0, text.utf8[text.utf8.index(text.startIndex, offsetBy: kept)] & 0xC0 == 0x80 { kept -= 1 }
    return String(text.utf8.prefix(kept))! + "…"
  }
}
