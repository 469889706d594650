// The keys of a match rule.

/// A key of a match rule, and which of them exclude each other.
enum MatchKey: Equatable {
  case type, sender, interface, member, path, pathNamespace, destination, eavesdrop
  case arg(Int), argPath(Int), arg0Namespace

  /// Highest number of an argument. Spec: "message-bus-routing-match-rules".
  static var argumentMax: Int { 63 }

  /// The key that `bytes` spell, letter by letter: no blanks, no other case, argument numbers without sign or leading zero.
  init?(_ bytes: RawSpan) {
    if bytes.isEqual(to: "type") {
      self = .type
    } else if bytes.isEqual(to: "sender") {
      self = .sender
    } else if bytes.isEqual(to: "interface") {
      self = .interface
    } else if bytes.isEqual(to: "member") {
      self = .member
    } else if bytes.isEqual(to: "path") {
      self = .path
    } else if bytes.isEqual(to: "path_namespace") {
      self = .pathNamespace
    } else if bytes.isEqual(to: "destination") {
      self = .destination
    } else if bytes.isEqual(to: "eavesdrop") {
      self = .eavesdrop
    } else if bytes.isEqual(to: "arg0namespace") {
      self = .arg0Namespace
    } else {
      self.init(argument: bytes)
    }
  }

  private init?(argument bytes: RawSpan) {
    guard bytes.byteCount > 3, bytes.extracting(first: 3).isEqual(to: "arg") else { return nil }
    var number = 0, offset = 3
    while offset < bytes.byteCount, offset < 5, case let digit = bytes.byte(at: offset), digit >= 0x30, digit <= 0x39 {
      number = number * 10 + Int(digit - 0x30)
      offset += 1
    }
    let isCanonical = offset == 4 || offset == 5 && bytes.byte(at: 3) != UInt8(ascii: "0")
    guard isCanonical, number <= MatchKey.argumentMax else { return nil }
    if offset == bytes.byteCount {
      self = .arg(number)
    } else if bytes.extracting(droppingFirst: offset).isEqual(to: "path") {
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
      value.isEqual(to: "signal") || value.isEqual(to: "method_call")
        || value.isEqual(to: "method_return") || value.isEqual(to: "error")
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
