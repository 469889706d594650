// The time of an event, for people.

import Glibc

/// A time of day, in UTC.
struct LogTime: Sendable, CustomStringConvertible {
  let seconds: Int
  let nanoseconds: Int

  /// The time by the system's clock. The corresponding system call is clock_gettime(2).
  static func now() -> LogTime {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return LogTime(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
  }

  /// As RFC 3339 has it, to the millisecond: `2026-01-31T09:30:00.250Z`.
  var description: String {
    var parts = unsafe tm()
    var seconds = time_t(self.seconds)
    unsafe gmtime_r(&seconds, &parts)
    func two(_ n: Int32) -> String { n < 10 ? "0\(n)" : "\(n)" }
    let milliseconds = String(nanoseconds / 1_000_000 + 1000).dropFirst()
    let date = unsafe "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    let time = unsafe "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    return "\(date)T\(time).\(milliseconds)Z"
  }
}
