// The time of day, in the forms that people and protocols write it. Nothing here decides when something happens.

import Glibc

/// UTC.
enum WallClock {
  /// Milliseconds since 1970.
  static func milliseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
  }

  /// `2026-11-21T08:07:11.123Z`. Source: RFC 3339.
  static func text(_ milliseconds: UInt64) -> String {
    let t = unsafe parts(milliseconds)
    let fraction = String(milliseconds % 1000 + 1000).dropFirst()
    return
      unsafe "\(t.tm_year + 1900)-\(two(t.tm_mon + 1))-\(two(t.tm_mday))T\(two(t.tm_hour)):\(two(t.tm_min)):\(two(t.tm_sec))"
      + ".\(fraction)Z"
  }

  /// `Sat, 21 Nov 2026 08:07:11 GMT`. Source: RFC 9110, 5.6.7.
  static func httpDate(_ milliseconds: UInt64) -> String {
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let t = unsafe parts(milliseconds)
    return
      unsafe "\(days[Int(t.tm_wday)]), \(two(t.tm_mday)) \(months[Int(t.tm_mon)]) \(t.tm_year + 1900) "
      + "\(two(t.tm_hour)):\(two(t.tm_min)):\(two(t.tm_sec)) GMT"
  }

  private static func parts(_ milliseconds: UInt64) -> tm {
    var seconds = time_t(milliseconds / 1000)
    var parts = unsafe tm()
    unsafe gmtime_r(&seconds, &parts)
    return unsafe parts
  }

  private static func two(_ n: Int32) -> String { n < 10 ? "0\(n)" : "\(n)" }
}
