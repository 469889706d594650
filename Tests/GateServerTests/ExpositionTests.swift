import Testing

@testable import GateServer

@Suite("Exposition")
struct ExpositionTests {
  private static func family(_ base: String) -> MetricFamily {
    guard let family = MetricFamily.all.first(where: { $0.base == base }) else { preconditionFailure("no metric \(base)") }
    return family
  }

  private func text(_ format: Exposition.Format, _ body: (inout Exposition) -> Void) -> String {
    var exposition = Exposition(format)
    body(&exposition)
    exposition.end()
    return String(decoding: exposition.text, as: UTF8.self)
  }

  @Test("a counter is called with _total in the text format, without it in OpenMetrics, and so is each of its values")
  func counter() {
    let body: (inout Exposition) -> Void = { text in
      text.begin(Self.family("busgate_reloads"))
      text.value(3, ("result", "ok"))
    }
    let help = "Reloads of the configuration; a refused one changed nothing."
    #expect(
      text(.text, body)
        == """
        # HELP busgate_reloads_total \(help)
        # TYPE busgate_reloads_total counter
        busgate_reloads_total{result="ok"} 3

        """)
    #expect(
      text(.openMetrics, body)
        == """
        # HELP busgate_reloads \(help)
        # TYPE busgate_reloads counter
        busgate_reloads_total{result="ok"} 3
        # EOF

        """)
  }

  @Test("a unit is said in OpenMetrics, and the name ends with it")
  func unit() {
    #expect(
      text(.openMetrics) { $0.begin(Self.family("busgate_message_bytes")) }.contains("# UNIT busgate_message_bytes bytes\n"))
    #expect(!text(.text) { $0.begin(Self.family("busgate_message_bytes")) }.contains("# UNIT"))
    for family in MetricFamily.all {
      if let unit = family.unit { #expect(family.base.hasSuffix("_\(unit)")) }
    }
  }

  @Test("an info is a gauge in the text format, which has none")
  func info() {
    #expect(text(.text) { $0.begin(Self.family("busgate_build")) }.contains("# TYPE busgate_build_info gauge\n"))
    #expect(text(.openMetrics) { $0.begin(Self.family("busgate_build")) }.contains("# TYPE busgate_build info\n"))
  }

  @Test("a label's value is escaped")
  func escaping() {
    let written = text(.text) { text in
      text.begin(Self.family("busgate_connections"))
      text.value(1, ("gate", "a\\b\"c\nd"), ("x", ""))
    }
    #expect(written.hasSuffix("busgate_connections{gate=\"a\\\\b\\\"c\\nd\",x=\"\"} 1\n"))
  }

  @Test("buckets are cumulative, and the last one holds all")
  func histogram() {
    var histogram = LatencyHistogram()
    for nanoseconds: UInt64 in [0, 10_000, 10_001, 1_000_000, 100_000_000, 100_000_001, 5_000_000_000] {
      histogram.observe(nanoseconds: nanoseconds)
    }
    let lines = text(.text) { text in
      text.begin(Self.family("busgate_wakeup_duration_seconds"))
      text.value(histogram)
    }.split(separator: "\n").dropFirst(2).map { $0.dropFirst("busgate_wakeup_duration_seconds".count) }
    #expect(
      lines == [
        #"_bucket{le="1e-05"} 2"#, #"_bucket{le="2.5e-05"} 3"#, #"_bucket{le="5e-05"} 3"#, #"_bucket{le="0.0001"} 3"#,
        #"_bucket{le="0.00025"} 3"#, #"_bucket{le="0.0005"} 3"#, #"_bucket{le="0.001"} 4"#, #"_bucket{le="0.0025"} 4"#,
        #"_bucket{le="0.005"} 4"#, #"_bucket{le="0.01"} 4"#, #"_bucket{le="0.025"} 4"#, #"_bucket{le="0.05"} 4"#,
        #"_bucket{le="0.1"} 5"#, #"_bucket{le="+Inf"} 7"#, "_sum 5.201020002", "_count 7",
      ])
  }

  @Test("milliseconds are written as seconds, without losing any")
  func seconds() {
    let written = text(.text) { text in
      text.begin(Self.family("busgate_start_time_seconds"))
      text.value(milliseconds: 1_795_251_263_007)
    }
    #expect(written.hasSuffix("busgate_start_time_seconds 1795251263.007\n"))
  }

  @Test("names are unique and help is one line")
  func families() {
    #expect(Set(MetricFamily.all.map(\.name)).count == MetricFamily.all.count)
    for family in MetricFamily.all {
      #expect(
        !family.help.isEmpty && family.help.hasSuffix(".") && !family.help.contains { $0 == "\n" || $0 == "\t" || $0 == "\\" })
    }
  }

  @Test("limits are sorted by name and their places are without gaps")
  func limits() {
    let names = LimitName.allCases.map(\.name)
    #expect(names == names.sorted() && Set(names).count == names.count)
    #expect(LimitName.allCases.map(\.place) == Array(0..<names.count))
    #expect(ConnectionEnd.allCases.map(\.rawValue) == Array(0..<ConnectionEnd.allCases.count))
    #expect(Set(ConnectionEnd.allCases.map(\.word.description)).count == ConnectionEnd.allCases.count)
  }

  @Test("the time of day is written as RFC 3339 and RFC 9110 want it")
  func time() {
    #expect(WallClock.text(1_795_251_263_007) == "2026-11-21T08:54:23.007Z")
    #expect(WallClock.httpDate(1_795_251_263_007) == "Sat, 21 Nov 2026 08:54:23 GMT")
    #expect(WallClock.text(0) == "1970-01-01T00:00:00.000Z")
  }
}
