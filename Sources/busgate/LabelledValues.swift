// What flags say of one gate each: few, so they are looked for one after the other. A dictionary costs the start of the process as much as
// reading its configuration does.

/// Values by the labels of gates, each label at most once.
struct LabelledValues {
  private var entries: [(label: String, value: String)] = []

  var labels: [String] { entries.map(\.label) }

  subscript(_ label: String) -> String? { entries.first { $0.label == label }?.value }

  /// Adds a value; false if there is one already.
  mutating func add(_ label: String, _ value: String) -> Bool {
    if self[label] != nil { return false }
    entries.append((label, value))
    return true
  }
}
