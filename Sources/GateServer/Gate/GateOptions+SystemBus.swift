// The defaults that differ on a system bus: services there have many users, and dbus-daemon lets each have less.

extension GateOptions {
  /// Puts the defaults of a system bus in the places of a session bus's.
  public mutating func setSystemBusDefaults() {
    connectionsMax = 64
    busConnectionsTotal = 192
    descriptorsInFlightMax = 64
    settings.limits.descriptorsPerMessageMax = 16
    settings.limits.pendingRepliesMax = 128
    settings.limits.incomingCallsPerCallerMax = 128
    settings.limits.incomingCallsMax = 4096
    settings.limits.matchesMax = 512
    settings.limits.namesMax = 512
  }
}
