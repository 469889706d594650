// GatePolicy
