// GateSession
