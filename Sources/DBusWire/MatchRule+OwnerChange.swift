// Whether a match rule asks for a NameOwnerChanged: what a gate must know of those that it has itself asked for. Other signals it need not
// look at: the bus sends them to who asked for them only.

extension MatchRule {
  /// Whether the rule asks for the driver's signal NameOwnerChanged with these arguments.
  ///
  /// Spec: "message-bus-routing-match-rules", "bus-messages-name-owner-changed".
  public func asksForOwnerChange(name: RawSpan, oldOwner: RawSpan, newOwner: RawSpan) -> Bool {
    for condition in conditions {
      let value = unsafe condition.value.span.bytes
      let holds =
        switch condition.key {
        case .arg(0), .argPath(0): value.hasBytes(of: name)
        case .arg(1), .argPath(1): value.hasBytes(of: oldOwner)
        case .arg(2), .argPath(2): value.hasBytes(of: newOwner)
        case .arg0Namespace: isNamespace(value, of: name)
        default: isOfOwnerChanges(condition)
        }
      if !holds { return false }
    }
    return true
  }

  /// Whether there are arguments with which the rule asks for the driver's signal NameOwnerChanged.
  public var mayAskForOwnerChange: Bool { conditions.allSatisfy(isOfOwnerChanges) }

  /// Whether a condition holds for every NameOwnerChanged, or for those with certain arguments.
  private func isOfOwnerChanges(_ condition: Condition) -> Bool {
    let value = unsafe condition.value.span.bytes
    return switch condition.key {
    case .type: value.holds("signal", at: 0, count: value.byteCount)
    case .sender, .interface: value.holds("org.freedesktop.DBus", at: 0, count: value.byteCount)
    case .member: value.holds("NameOwnerChanged", at: 0, count: value.byteCount)
    case .path: value.holds("/org/freedesktop/DBus", at: 0, count: value.byteCount)
    case .pathNamespace: isAbove(value)
    case .destination: false  // it goes to everybody
    case .eavesdrop, .arg0Namespace: true
    case .arg(let number), .argPath(let number): number <= 2
    }
  }

  /// Whether `path` is `/org/freedesktop/DBus` or above it.
  private func isAbove(_ path: RawSpan) -> Bool {
    ["/", "/org", "/org/freedesktop", "/org/freedesktop/DBus"].contains { (above: StaticString) in
      path.holds(above, at: 0, count: path.byteCount)
    }
  }

  private func isNamespace(_ namespace: RawSpan, of name: RawSpan) -> Bool {
    let count = namespace.byteCount
    if name.byteCount < count || !name.extracting(0..<count).hasBytes(of: namespace) { return false }
    return name.byteCount == count || name.byte(count) == UInt8(ascii: ".")
  }
}

extension RawSpan {
  /// Whether these are the same bytes as `other`.
  fileprivate func hasBytes(of other: RawSpan) -> Bool {
    if byteCount != other.byteCount { return false }
    for offset in 0..<byteCount where byte(offset) != other.byte(offset) { return false }
    return true
  }
}
