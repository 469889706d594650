// The two text formats that Prometheus reads. Says how values are written, not which.
//
// Sources: "Exposition formats" of the Prometheus documentation (text, version 0.0.4); the OpenMetrics specification, version 1.0.0.

/// Metrics as text.
struct Exposition {
  /// A format, and how HTTP calls it.
  enum Format: Equatable {
    case text
    case openMetrics

    var contentType: StaticString {
      switch self {
      case .text: "text/plain; version=0.0.4; charset=utf-8"
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      }
    }
  }

  /// A label and its value.
  typealias Label = (name: StaticString, value: String)

  let format: Format
  /// Which of several programs this is. Prometheus itself gives the label `instance` to what it scrapes.
  private let instance: [Label]
  /// What was written so far.
  private(set) var text: [UInt8] = []
  private var family: MetricFamily?

  init(_ format: Format, of instance: InstanceName? = nil) {
    self.format = format
    self.instance = instance.map { [(name: "gate_instance" as StaticString, value: $0.description)] } ?? []
  }

  // MARK: Writing

  /// Begins a metric: its values come next.
  mutating func begin(_ family: MetricFamily) {
    self.family = family
    // In the text format each name of values is a metric; in OpenMetrics the metric is called without their suffix.
    let name = format == .text ? family.name : family.base
    if format == .openMetrics, let unit = family.unit { line("# UNIT ", name, " \(unit)") }
    line("# HELP ", name, " \(family.help)")
    line("# TYPE ", name, format == .text && family.kind == .info ? " gauge" : " " + family.kind.rawValue)
  }

  /// A value of the metric that was begun last.
  mutating func value(_ value: UInt64, _ labels: Label...) {
    guard let family else { preconditionFailure("a value without its metric") }
    sample(family.base, family.suffix, labels, String(value))
  }

  /// A value of one gate.
  mutating func value(_ value: UInt64, of gate: GateFigures, _ labels: Label...) {
    guard let family else { preconditionFailure("a value without its metric") }
    sample(family.base, family.suffix, [("gate", gate.label)] + labels, String(value))
  }

  /// As ``value(_:_:)``, for a whole number of milliseconds that are to be seconds.
  mutating func value(milliseconds: UInt64) {
    guard let family else { preconditionFailure("a value without its metric") }
    let fraction = String(milliseconds % 1000 + 1000).dropFirst()
    sample(family.base, family.suffix, [], "\(milliseconds / 1000).\(fraction)")
  }

  /// The values of a histogram.
  mutating func value(_ histogram: LatencyHistogram) {
    guard let family else { preconditionFailure("a value without its metric") }
    var count: UInt64 = 0
    for (place, bound) in LatencyHistogram.bounds.enumerated() {
      count &+= histogram.counts[place]
      sample(family.base, "_bucket", [("le", "\(Double(bound) / 1e9)")], "\(count)")
    }
    count &+= histogram.counts[LatencyHistogram.bounds.count]
    sample(family.base, "_bucket", [("le", "+Inf")], "\(count)")
    sample(family.base, "_sum", [], "\(Double(histogram.sum) / 1e9)")
    sample(family.base, "_count", [], "\(count)")
  }

  /// Nothing more comes.
  mutating func end() {
    if format == .openMetrics { append("# EOF\n") }
  }

  // MARK: Bytes

  private mutating func sample(_ base: String, _ suffix: String, _ labels: [Label], _ value: String) {
    append(base)
    append(suffix)
    let labels = labels + instance
    for (place, label) in labels.enumerated() {
      append(place == 0 ? "{" : ",")
      append(label.name)
      append("=\"")
      appendEscaped(label.value)
      append("\"")
    }
    if !labels.isEmpty { append("}") }
    append(" ")
    append(value)
    append("\n")
  }

  private mutating func line(_ start: String, _ name: String, _ rest: String) {
    append(start)
    append(name)
    append(rest)
    append("\n")
  }

  private mutating func append(_ constant: StaticString) {
    constant.withUTF8Buffer { unsafe text.append(contentsOf: $0) }
  }

  private mutating func append(_ string: String) { text.append(contentsOf: string.utf8) }

  /// What stands in a label's value: three bytes are written otherwise.
  private mutating func appendEscaped(_ string: String) {
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\\"): append("\\\\")
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\n"): append("\\n")
      default: text.append(byte)
      }
    }
  }
}
