// Whether a match rule asks for a NameOwnerChanged. A gate asks the bus for those itself, so it must know which of them the client asked
// for. The bus sends every other signal only to those who asked for it.

extension MatchRule {
  /// Whether the rule asks for the driver's signal NameOwnerChanged with these arguments.
  ///
  /// Spec: "message-bus-routing-match-rules", "bus-messages-name-owner-changed".
  public func asksForOwnerChange(name: RawSpan, oldOwner: RawSpan, newOwner: RawSpan) -> Bool {
    for condition in conditions {
      let value = unsafe condition.value.span.bytes
      let holds =
        switch condition.key {
        case .arg(0), .argPath(0): value.isEqual(to: name)
        case .arg(1), .argPath(1): value.isEqual(to: oldOwner)
        case .arg(2), .argPath(2): value.isEqual(to: newOwner)
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
    case .type: value.isEqual(to: "signal")
    case .sender, .interface: value.isEqual(to: "org.freedesktop.DBus")
    case .member: value.isEqual(to: "NameOwnerChanged")
    case .path: value.isEqual(to: "/org/freedesktop/DBus")
    case .pathNamespace: isAbove(value)
    case .destination: false  // it goes to everybody
    case .eavesdrop, .arg0Namespace: true
    case .arg(let number), .argPath(let number): number <= 2
    }
  }

  /// Whether `path` is `/org/freedesktop/DBus` or above it.
  private func isAbove(_ path: RawSpan) -> Bool {
    ["/", "/org", "/org/freedesktop", "/org/freedesktop/DBus"].contains { (above: StaticString) in
      path.isEqual(to: above)
    }
  }

  private func isNamespace(_ namespace: RawSpan, of name: RawSpan) -> Bool {
    let count = namespace.byteCount
    if name.byteCount < count || !name.extracting(0..<count).isEqual(to: namespace) { return false }
    return name.byteCount == count || name.byte(at: count) == UInt8(ascii: ".")
  }
}
