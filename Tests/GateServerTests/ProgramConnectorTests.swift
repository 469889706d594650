// Programs as buses: what starting one changes in the process that starts it, which is nothing.

import DBusWire
import Glibc
import Synchronization
import Testing

@testable import GateServer

@Suite("starting a program", .serialized)
struct ProgramConnectorTests {
  private static func softLimit() -> rlim_t {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return limit.rlim_cur
  }

  @Test("leaves the limits of the whole process alone at every moment, and gives the program those that are usual")
  func limits() throws {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    // The process gets more than is usual, as busgate does.
    limit.rlim_cur = min(limit.rlim_max, 4096)
    try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
    let own = Self.softLimit()
    let state = Watched()
    let watcher = Beside {
      while !state.isOver.load(ordering: .relaxed) {
        if Self.softLimit() != own { state.changes.add(1, ordering: .relaxed) }
      }
    }
    defer { withExtendedLifetime(watcher) { state.isOver.store(true, ordering: .relaxed) } }
    for _ in 0..<50 {
      let said = try Started("unixexec:path=/bin/sh,argv1=-c,argv2=ulimit%20-Sn").output()
      #expect(said == "\(min(own, 1024))\n")
    }
    #expect(state.changes.load(ordering: .relaxed) == 0)
  }

  @Test(
    "gives back the signal mask of its caller, whether or not it came to something", arguments: ["/bin/true", "/nonexistent"])
  func mask(path: String) throws {
    var (set, before, after) = (sigset_t(), sigset_t(), sigset_t())
    sigemptyset(&set)
    sigaddset(&set, SIGUSR2)
    pthread_sigmask(SIG_SETMASK, &set, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let started = try Started("unixexec:path=\(path)")
    #expect(started.pids.count == (path == "/bin/true" ? 1 : 0))
    pthread_sigmask(SIG_SETMASK, nil, &after)
    #expect((1...31).filter { sigismember(&after, $0) == 1 } == [SIGUSR2])
  }

  @Test("gives the program no signal that is blocked or ignored here")
  func signals() throws {
    var (set, before) = (sigset_t(), sigset_t())
    sigfillset(&set)
    pthread_sigmask(SIG_BLOCK, &set, &before)
    let old = signal(SIGPIPE, SIG_IGN)
    defer {
      signal(SIGPIPE, old)
      pthread_sigmask(SIG_SETMASK, &before, nil)
    }
    let said = try Started("unixexec:path=/bin/grep,argv1=-E,argv2=%5eSig%28Blk%7cIgn%29,argv3=/proc/self/status").output()
    #expect(said == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n")
  }

  @Test("leaves no child behind that came to nothing")
  func zombie() throws {
    let started = try Started("unixexec:path=/nonexistent")
    guard case .failed(-ENOENT) = started.attempt else {
      Issue.record("it was started")
      return
    }
    #expect(started.pids == [])
  }
}

/// A program that was started, whose child is waited for before this goes: else a test that waits for all children would find it.
struct Started: ~Copyable {
  let attempt: ConnectAttempt
  let pids: Set<Int32>

  init(_ text: String) throws {
    let connector = try ProgramConnector(try BusAddress.parse(text)[0], in: text)
    let before = Self.children()
    attempt = connector.connect()
    pids = Self.children().subtracting(before)
  }

  deinit {
    if case .connected(let fd) = attempt { close(fd) }
    for pid in pids { waitpid(pid, nil, 0) }
  }

  /// Our end of the program's standard input and output.
  var fd: Int32? {
    if case .connected(let fd) = attempt { return fd }
    return nil
  }

  /// What the program says until it ends.
  func output() -> String { fd.map(Self.read) ?? "(it was not started)" }

  /// Those that this thread has started.
  private static func children() -> Set<Int32> {
    let fd = open("/proc/thread-self/children", O_RDONLY)
    defer { close(fd) }
    return Set(read(fd).split(separator: " ").compactMap { Int32($0) })
  }

  /// What can be read until the end.
  private static func read(_ fd: Int32) -> String {
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 256)
    var poller = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
    while poll(&poller, 1, 30_000) == 1 {
      let count = Glibc.read(fd, &chunk, chunk.count)
      if count <= 0 { break }
      text += chunk[..<count]
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// What a thread beside the test has seen.
private final class Watched: Sendable {
  let isOver = Atomic(false)
  let changes = Atomic(0)
}
