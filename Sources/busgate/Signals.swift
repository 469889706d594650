// Signals, as an event source of the loop. They are blocked for the process, which is the program's business and not the server's.

import CLinux
import GateServer
import Glibc

/// Signals that are handled in the loop.
final class Signals {
  private let fd: Int32

  /// Has the loop of `server` handle these signals: SIGTERM and SIGINT stop it, others go to `handler`.
  @discardableResult
  init(
    _ numbers: [Int32], in server: inout Server, _ handler: @escaping (inout Server, Int32) -> Void = { _, _ in }
  ) throws(SystemError) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in numbers { unsafe sigaddset(&set, number) }
    fd = unsafe clinux_signals(&set)
    if fd < 0 { throw SystemError("cannot handle signals", fd) }
    // Lives as long as the server has it for a source.
    try server.watch(fd) { server, _, _ in self.handle(&server, handler) }
  }

  /// Handles the signals that have come, each once, and those that stop the server first. What comes meanwhile waits for its turn
  /// behind everything else, so that no signal can keep clients or the end waiting, however often it comes.
  private func handle(_ server: inout Server, _ handler: (inout Server, Int32) -> Void) {
    var others: [Int32] = []
    while true {
      let number = clinux_next_signal(fd)
      if number == 0 || others.contains(number) { break }
      if number == SIGTERM || number == SIGINT { server.stop() } else { others.append(number) }
    }
    for number in others where !server.isStopping { handler(&server, number) }
  }
}
