// Each subject under ordo-one/benchmark: time and, where the machine has counters, instructions. Thresholds are in thresholds.json, for the instructions that `check` counts.

import Benchmark
import Subjects

let benchmarks: @Sendable () -> Void = {
  for subject in Subject.all {
    var configuration = Benchmark.Configuration()
    configuration.metrics = [.wallClock, .instructions]
    configuration.scalingFactor = .one
    configuration.warmupIterations = 3
    configuration.maxDuration = .milliseconds(300)
    configuration.maxIterations = 100_000
    Benchmark("\(subject.name)\(subject.operations == 1 ? "" : " ×\(subject.operations)")", configuration: configuration) {
      benchmark in
      let run = subject.prepare()
      // One call is below what a clock can tell.
      let times = subject.operations == 1 && !subject.name.contains("rules") ? 1_000 : 1
      benchmark.startMeasurement()
      for _ in 0..<times { run() }
      benchmark.stopMeasurement()
    }
  }
}
