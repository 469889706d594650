// What there is to know of a limit, and how it is set by its name.

extension LimitName {
  /// A row of the table of limits.
  ///
  /// Source: contrib/OPERATORS.md, "Limits".
  public struct Entry: Sendable {
    /// What it bounds, and where the number comes from.
    public let meaning: String
    /// Its default, as people write it.
    public let standard: String
    /// How it is set.
    let setting: Setting

    @inline(__always)
    init(_ meaning: String, standard: String = "", _ setting: Setting = .fixed) {
      self.meaning = meaning
      self.standard = standard
      self.setting = setting
    }
  }

  /// How a limit is set.
  enum Setting: Sendable {
    /// A number of things or bytes, at least 1.
    case count(max: Int, @Sendable (inout GateOptions, Int) -> Void)
    /// A time in milliseconds.
    case time(@Sendable (inout GateOptions, UInt64) -> Void)
    /// Not at all: it is not the gate's.
    case fixed
  }

  /// Those that can be set, sorted by name.
  public static var settable: [LimitName] {
    allCases.filter { limit in if case .fixed = limit.entry.setting { false } else { true } }
  }

  /// As it is written: `auth-timeout`.
  public var name: String { rawValue }

  /// Its place among all of them, sorted by name.
  var place: Int {
    guard let place = Self.allCases.firstIndex(of: self) else { preconditionFailure("a limit that is not among all of them") }
    return place
  }
}
