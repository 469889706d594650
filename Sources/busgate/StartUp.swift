// Until the program is ready: every gate accepts, or has failed its first try. A socket that can't be had costs its gate, which goes on trying,
// and the program only if no gate is left, or `--require-all` was given.

import GateServer
import Glibc

/// What is told to whoever started the program, and when.
final class StartUp {
  private let options: RunOptions
  private let notifier: ServiceNotifier
  private let log: Log
  /// What they were at the start.
  private let rules: PolicyFiles
  private var isReady = false
  /// With what the program has to end, if the start came to nothing.
  private(set) var failure: ListenFailure?

  init(_ options: RunOptions, _ notifier: ServiceNotifier, _ log: Log, _ rules: PolicyFiles) {
    (self.options, self.notifier, self.log, self.rules) = (options, notifier, log, rules)
  }

  /// The gates were added, or one of them has another state.
  func look(_ server: inout Server) {
    let failures = self.failures(server)
    if isReady {
      notifier.status(status(server))
      return
    }
    // A socket that another gate is making at this moment is not decided on yet.
    if failures.contains(where: { $0.failure.isHalfMade }) { return }
    if failures.count == options.listeners.count || (options.requiresAll && !failures.isEmpty) {
      for (label, failure) in failures.dropFirst() { printError("busgate: gate \(label): \(failure)") }
      failure = failures.first?.failure
      // Twice: nothing is waited for.
      server.stop()
      server.stop()
      return
    }
    for (label, failure) in failures { log.error("gate \(label) does not accept: \(failure); it is tried again every second") }
    isReady = true
    announce(server)
    if let interval = notifier.watchdogInterval { server.setHeartbeat(every: interval) { [notifier] in notifier.alive() } }
    if let ready = options.readyDescriptor { writeReadyByte(ready) }
    notifier.ready(status(server))
    forgetStartUpCode()
  }

  /// A gate accepts at last, or can't for another reason.
  func note(_ label: String, _ server: inout Server) {
    if isReady, let gate = server.gate(called: label) {
      if let failure = server.listenFailure(ofGate: gate) {
        if !failure.isHalfMade { log.error("gate \(label) does not accept: \(failure); it is tried again every second") }
      } else {
        log.note("gate \(label) accepts now")
      }
    }
    look(&server)
  }

  /// The program begins to stop.
  func noteStop() {
    if isReady { notifier.stopping() }
  }

  /// What the service manager shows: which gates serve, and why others don't.
  func status(_ server: borrowing Server) -> String {
    let failures = self.failures(server)
    let serving = options.listeners.map(\.label).filter { label in !failures.contains { $0.label == label } }
    let parts = ["serving \(serving.joined(separator: ", "))"] + failures.map { "\($0.label) does not accept: \($0.failure)" }
    return parts.joined(separator: "; ")
  }

  private func failures(_ server: borrowing Server) -> [(label: String, failure: ListenFailure)] {
    var failures: [(String, ListenFailure)] = []
    for listener in options.listeners {
      guard let gate = server.gate(called: listener.label), let failure = server.listenFailure(ofGate: gate) else { continue }
      failures.append((listener.label, failure))
    }
    return failures
  }

  /// Logs of each gate that accepts where it listens, what it goes by and whom it stands before; and what was hardly meant.
  private func announce(_ server: borrowing Server) {
    rules.report(to: log)
    if options.log.mode == .audit { log.warning("audit mode: what the rules do not allow is forwarded, and logged") }
    for listener in options.listeners {
      guard let gate = server.gate(called: listener.label), let name = server.listeningName(ofGate: gate) else { continue }
      let rules = server.policy(ofGate: gate).rules.count
      log.note(
        "gate \(listener.label) listens on \(name): \(rules) rule\(rules == 1 ? "" : "s"), bus \(server.busAddress(ofGate: gate)), "
          + "\(options.log.mode == .audit ? "audit" : "enforce")")
    }
  }

  /// Writes the byte of `--ready-fd`. Does not wait for a reader: clients are there already.
  private func writeReadyByte(_ descriptor: Int32) {
    var byte = UInt8(ascii: "\n")  // what s6 waits for
    var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    errno = EAGAIN
    if unsafe poll(&poller, 1, 0) != 1 || write(descriptor, &byte, 1) != 1 {
      log.warning("\(SystemError("--ready-fd \(descriptor): nobody could be told", errno))")
    }
    // Standard descriptors stay open: else the next client would get the number, and with that of standard error the log.
    if descriptor > STDERR_FILENO { close(descriptor) }
  }
}
