// What is counted while gates run. Sessions count their own messages. Here stands what only the server sees, and what ended
// sessions have counted (GateMetrics, by gate). It is kept whether or not anybody asks: a handful of additions per connection.

import CLinux
import GateSession

/// What the server did.
struct Metrics {
  var reloads: UInt64 = 0
  var refusedReloads: UInt64 = 0
  var isLastReloadRefused = false
  /// How long each wake-up took; counted only if somebody may ask, since it needs the clock.
  var wakeups = LatencyHistogram()
  var timesWakeups = false
  /// Whether a bus that the gate could not reach is tried again without a client that asks for it, since somebody asks how the gate is.
  var watchesBuses = false
  /// When the server was made: by the wall clock, and by the monotonic one.
  let startedAt = WallClock.milliseconds()
  let started = Instant(milliseconds: clinux_milliseconds())
}
