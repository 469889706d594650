// Event sources: which are due, and what becomes of those that are removed, by a handler too.

import GateSession
import Glibc
import Testing

@testable import GateServer

@Suite("event sources")
struct SourceTableTests {
  private static func at(_ milliseconds: UInt64) -> Instant { Instant(milliseconds: milliseconds) }

  /// A table of sources that have no descriptors, or ones that the kernel can't watch.
  private static func table() -> SourceTable { SourceTable(PollSet(fd: -1)) }

  private static func add(_ table: inout SourceTable, _ deadline: UInt64?) -> EventSource.ID {
    table.addTimer(at: deadline.map(at)) { _, _, _ in }
  }

  @Test("what is due is told once, in the order of their places, and the others when their time comes")
  func due() throws {
    var table = Self.table()
    let ids = [30, nil, 10, 20, 10].map { Self.add(&table, $0) }
    #expect(table.deadline.instant == Self.at(10) && table.expired(at: Self.at(9)).isEmpty)
    #expect(table.expired(at: Self.at(10)) == [ids[2], ids[4]])
    #expect(table.deadline.instant == Self.at(20) && table.expired(at: Self.at(10)).isEmpty)
    #expect(table.expired(at: Self.at(50)) == [ids[0], ids[3]])
    #expect(table.deadline.instant == nil && table.expired(at: Self.at(.max)).isEmpty)
  }

  @Test("a deadline that is moved is due at its new instant only")
  func moved() throws {
    var table = Self.table()
    let (later, never, sooner) = (Self.add(&table, 10), Self.add(&table, 10), Self.add(&table, 30))
    table.setDeadline(later, Self.at(20))
    table.setDeadline(never, nil)
    table.setDeadline(sooner, Self.at(15))
    #expect(table.expired(at: Self.at(14)).isEmpty)
    #expect(table.deadline.instant == Self.at(15) && table.expired(at: Self.at(15)) == [sooner])
    #expect(table.expired(at: Self.at(20)) == [later])
    table.setDeadline(later, Self.at(5))
    #expect(table.expired(at: Self.at(20)) == [later], "one that was due before it was noted")
  }

  @Test("one that was removed is not due, and has no handler, though another one has its place")
  func removed() throws {
    var table = Self.table()
    let gone = Self.add(&table, 10)
    table.remove(gone)
    table.remove(gone)
    #expect(table.expired(at: Self.at(10)).isEmpty)
    let next = Self.add(&table, 10)
    #expect(next.index == gone.index && next != gone)
    #expect(table.handler(of: gone) == nil && table.handler(of: next) != nil)
    table.remove(gone)
    #expect(table.expired(at: Self.at(10)) == [next])
  }

  @Test("a descriptor that the kernel can't watch leaves no source")
  func refused() throws {
    var table = Self.table()
    var number: Int32?
    do throws(SystemError) {
      _ = try table.add(STDIN_FILENO, PollSet.readable, deadline: Self.at(10), { _, _, _ in })
    } catch { number = error.number }
    #expect(number == EBADF)
    #expect(table.deadline.instant == nil && table.expired(at: Self.at(10)).isEmpty)
    let id = Self.add(&table, nil)
    #expect(table.attach(STDIN_FILENO, PollSet.readable, to: id) == -EBADF)
    // It is one without a descriptor still.
    #expect(table.setInterest(id, PollSet.writable) == 0)
  }

  // MARK: In a loop

  /// What handlers were called, and with what.
  private final class Calls {
    var made: [String] = []
    var ids: [EventSource.ID] = []
  }

  @Test("a handler may remove a source that is due, itself too, and the one that takes its place is not called for it")
  func removedInHandler() throws {
    var server = try Server(log: Log(fd: STDERR_FILENO))
    let calls = Calls()
    for name in ["first", "second", "third"] {
      let id = server.addTimer(at: Self.at(1)) { server, id, events in
        calls.made.append(name)
        #expect(events == .expired)
        server.unwatch(id)
        if name != "first" { return }
        server.unwatch(calls.ids[1])
        // In the place of the second.
        calls.ids.append(server.addTimer { _, _, _ in calls.made.append("in its place") })
      }
      calls.ids.append(id)
    }
    server.finishCall()
    for _ in 0..<3 { try server.dispatch() }
    #expect(calls.made == ["first", "third"])
    #expect(calls.ids[3].index == calls.ids[0].index || calls.ids[3].index == calls.ids[1].index)
  }

  @Test("an event that was queued for a source which a handler removes is nobody's, also if its descriptor is watched again")
  func queuedEvents() throws {
    var server = try Server(log: Log(fd: STDERR_FILENO))
    let calls = Calls()
    // Pipes that are at their end, so that one wake-up has both events.
    let ends = try (0..<2).map { _ in try Self.ended() }
    defer { for end in ends { close(end) } }
    for (index, end) in ends.enumerated() {
      let id = try server.watch(end) { server, id, events in
        calls.made.append("\(index)")
        #expect(events == .hungUp)
        server.unwatch(id)
        let other = 1 - index
        server.unwatch(calls.ids[other])
        do {
          try server.watch(ends[other]) { server, id, _ in
            server.unwatch(id)
            calls.made.append("again")
          }
        } catch { Issue.record(error) }
      }
      calls.ids.append(id)
    }
    try server.dispatch()
    #expect(calls.made.count == 1)
    try server.dispatch()
    #expect(calls.made.count == 2 && calls.made.last == "again")
  }

  /// The end to read from of a pipe that nobody writes to any more.
  private static func ended() throws -> Int32 {
    var ends: [Int32] = [-1, -1]
    try #require(unsafe pipe(&ends) == 0)
    close(ends[1])
    return ends[0]
  }

  @Test("a heartbeat beats again and again, and may be late")
  func heartbeat() throws {
    var server = try Server(log: Log(fd: STDERR_FILENO))
    let calls = Calls()
    server.setHeartbeat(every: 0) { calls.made.append("beat") }
    for _ in 0..<3 { try server.dispatch() }
    #expect(calls.made.count >= 3)
  }
}
