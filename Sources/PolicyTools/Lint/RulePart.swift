// The keys of a rule, as far as lints point at them.

/// The keys that lints point at.
enum RulePart: String {
  case direction, interface, method, type, name
  case objectPath = "object-path"
  case maxFDs = "max-fds"
}
