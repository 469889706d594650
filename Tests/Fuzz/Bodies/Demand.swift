// What has to hold, or the fuzzer has found something.

/// Traps with words, in release builds too.
func demand(_ holds: Bool, _ otherwise: @autoclosure () -> String) {
  if !holds { fatalError(otherwise()) }
}
