// The keys of a match rule.

/// A key of a match rule, and which of them exclude each other.
enum MatchKey: Equatable {
  case type, sender, interface, member, path, pathNamespace, destination, eavesdrop
  case arg(Int), argPath(Int), arg0Namespace

  /// Highest number of an argument. Spec: "message-bus-routing-match-rules".
  static var argumentMax: Int { 63 }

  /// The key that `bytes` spell, letter by letter: no blanks, no other case, argument numbers without sign or leading zero.
  init?(_ bytes: RawSpan) {
    let count = bytes.byteCount
    if bytes.holds("type", at: 0, count: count) {
      self = .type
    } else if bytes.holds("sender", at: 0, count: count) {
      self = .sender
    } else if bytes.holds("interface", at: 0, count: count) {
      self = .interface
    } else if bytes.holds("member", at: 0, count: count) {
      self = .member
    } else if bytes.holds("path", at: 0, count: count) {
      self = .path
    } else if bytes.holds("path_namespace", at: 0, count: count) {
      self = .pathNamespace
    } else if bytes.holds("destination", at: 0, count: count) {
      self = .destination
    } else if bytes.holds("eavesdrop", at: 0, count: count) {
      self = .eavesdrop
    } else if bytes.holds("arg0namespace", at: 0, count: count) {
      self = .arg0Namespace
    } else {
      self.init(argument: bytes)
    }
  }

  private init?(argument bytes: RawSpan) {
    guard bytes.byteCount > 3, bytes.holds("arg", at: 0, count: 3) else { return nil }
    var number = 0, offset = 3
    while offset < bytes.byteCount, offset < 5, case let digit = bytes.byte(offset), digit >= 0x30, digit <= 0x39 {
      number = number * 10 + Int(digit - 0x30)
      offset += 1
    }
    let isCanonical = offset == 4 || offset == 5 && bytes.byte(3) != UInt8(ascii: "0")
    guard isCanonical, number <= MatchKey.argumentMax else { return nil }
    if offset == bytes.byteCount {
      self = .arg(number)
    } else if bytes.holds("path", at: offset, count: bytes.byteCount - offset) {
      self = .argPath(number)
    } else {
      return nil
    }
  }

  /// What the key is about; two keys about the same thing must not be in one rule.
  var subject: Int {
    switch self {
    case .arg(let number), .argPath(let number): number
    case .arg0Namespace: 0
    case .type: 64
    case .sender: 65
    case .interface: 66
    case .member: 67
    case .path, .pathNamespace: 68
    case .destination: 69
    case .eavesdrop: 70
    }
  }

  /// The key's one spelling.
  var text: String {
    switch self {
    case .type: "type"
    case .sender: "sender"
    case .interface: "interface"
    case .member: "member"
    case .path: "path"
    case .pathNamespace: "path_namespace"
    case .destination: "destination"
    case .eavesdrop: "eavesdrop"
    case .arg(let number): "arg\(number)"
    case .argPath(let number): "arg\(number)path"
    case .arg0Namespace: "arg0namespace"
    }
  }

  /// Whether `value` may be the key's value.
  func accepts(_ value: RawSpan) -> Bool {
    switch self {
    case .type:
      value.holds("signal", at: 0, count: value.byteCount) || value.holds("method_call", at: 0, count: value.byteCount)
        || value.holds("method_return", at: 0, count: value.byteCount) || value.holds("error", at: 0, count: value.byteCount)
    case .sender, .destination: NameGrammar.isBusName(value)
    case .interface: NameGrammar.isInterface(value)
    case .member: NameGrammar.isMember(value)
    case .path, .pathNamespace: NameGrammar.isObjectPath(value)
    case .arg0Namespace: NameGrammar.isNamespace(value) || NameGrammar.isUniqueName(value)
    // What isn't "false" asks to eavesdrop, and is refused for that.
    case .eavesdrop, .arg, .argPath: true
    }
  }
}
