// Why a running gate could not be asked.

/// Why a gate could not be asked: a line for people.
struct ControlFailure: Error, CustomStringConvertible {
  let description: String
}
