// How a server ends: one that was stopped before it runs, and one that is dropped.

import CLinux
import Glibc
import Testing

@testable import GateServer

@Suite("the end of a server")
struct ServerEndTests {
  private final class Count {
    var value = 0
  }

  @Test("one that was stopped before it runs waits for nothing")
  func stoppedBefore() throws {
    var server = try Server(log: Log(fd: STDERR_FILENO))
    let beats = Count()
    // If it waits, it waits for this.
    server.setHeartbeat(every: 1000) { beats.value += 1 }
    server.stop()
    try server.run()
    #expect(beats.value == 0)
  }

  @Test("one that is dropped closes the clients of its admin sockets")
  func dropped() throws {
    let directory = TemporaryDirectory()
    let path = "\(directory.path)/control"
    let client = clinux_socket_unix()
    defer { close(client) }
    do {
      var server = try Server(log: Log(fd: STDERR_FILENO))
      try server.serveControl(path: path)
      try #require(UnixSocketName(path: path).connect(client) == 0)
      try server.dispatch()
    }
    var poller = pollfd(fd: client, events: Int16(POLLIN), revents: 0)
    #expect(poll(&poller, 1, 0) == 1)
    #expect(poller.revents & Int16(POLLHUP) != 0)
  }
}
