// A metric: name, type, unit, help, and how its values are told. All of them stand in MetricTable.swift.

/// A metric and what it means.
public struct MetricFamily: Sendable {
  /// What kind of number it is.
  public enum Kind: String, Sendable {
    /// Only ever grows.
    case counter
    /// Goes up and down.
    case gauge
    /// Durations by size.
    case histogram
    /// Always 1: its labels carry the information.
    case info
  }

  /// Without the suffixes that counters and infos have.
  let base: String
  /// What kind of number it is.
  public let kind: Kind
  /// Its unit, which the name ends with; nil if it has none.
  let unit: String?
  /// One sentence.
  public let help: String

  /// Writes its values.
  let write: @Sendable (inout Exposition, borrowing Server, [GateFigures]) -> Void

  /// A metric of the whole server.
  init(
    _ base: String, _ kind: Kind, unit: String? = nil, _ help: String,
    _ write: @escaping @Sendable (inout Exposition, borrowing Server) -> Void
  ) {
    (self.base, self.kind, self.unit, self.help) = (base, kind, unit, help)
    self.write = { text, server, _ in write(&text, server) }
  }

  /// A metric of each gate.
  init(
    _ base: String, _ kind: Kind, unit: String? = nil, _ help: String,
    ofGate write: @escaping @Sendable (inout Exposition, GateFigures) -> Void
  ) {
    (self.base, self.kind, self.unit, self.help) = (base, kind, unit, help)
    self.write = { text, _, gates in
      for gate in gates { write(&text, gate) }
    }
  }

  /// The name under which its values appear.
  public var name: String { base + suffix }

  /// The suffix that its values have behind the name of the metric.
  var suffix: String {
    switch kind {
    case .counter: "_total"
    case .info: "_info"
    case .gauge, .histogram: ""
    }
  }
}
