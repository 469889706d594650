// What is measured, once: benchmarks/micro runs each subject under ordo-one/benchmark for its time, and the program `count` for its
// instructions. Does not measure.

/// One thing whose cost is watched.
public struct Subject {
  /// Its name, as thresholds.json has it.
  public let name: String
  /// How many operations one run makes; the cost of a run is divided by it.
  public let operations: Int
  /// Makes everything that a run needs, and gives the run.
  public let prepare: () -> () -> Void

  init(_ name: String, operations: Int = 1, _ prepare: @escaping () -> () -> Void) {
    self.name = name
    self.operations = operations
    self.prepare = prepare
  }

  /// Every subject, in the order of the report.
  public static var all: [Subject] { wire + policies + sessions }
}
