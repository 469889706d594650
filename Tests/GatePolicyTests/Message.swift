import GatePolicy

/// What the rules are asked about.
struct Message {
  var direction = Direction.outgoing
  var isSignal = false
  var interface = "org.example.Door"
  var path = "/org/example/door"
  var member = "Open"
  var descriptors = 0
}
