// Sockets that a service manager listened on for us. Source: sd_listen_fds(3).

import GateServer
import Glibc

/// What the environment says was handed to this process.
struct InheritedSockets: Sendable {
  /// A descriptor and its name: that of the gate it is for.
  struct Entry: Sendable {
    /// The name in LISTEN_FDNAMES; empty where there is none.
    let name: String
    /// The descriptor, from 3 on.
    let descriptor: Int32
  }

  /// In order of their descriptors.
  let entries: [Entry]

  /// Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES and takes them out of the environment. What is meant for another process is
  /// ignored. Throws where what is meant for us makes no sense.
  init() throws(UsageError) {
    let pid = Self.take("LISTEN_PID")
    let count = Self.take("LISTEN_FDS")
    let names = Self.take("LISTEN_FDNAMES")
    guard let pid, pid == "\(getpid())", let count, count != "0" else {
      entries = []
      return
    }
    guard let number = Int32(count), number >= 1, number <= 1024 else {
      throw UsageError("LISTEN_FDS=\(count): expected a number of descriptors from 0 to 1024")
    }
    let parts = names.map { $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init) }
    if let parts, parts.count != Int(number) {
      throw UsageError("LISTEN_FDNAMES has \(parts.count) names, expected \(number), one for each descriptor")
    }
    entries = (0..<number).map { Entry(name: parts?[Int($0)] ?? "", descriptor: 3 + $0) }
  }

  private static func take(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    unsafe unsetenv(name)
    return text
  }
}
