// A real bus of a test's own: dbus-daemon or dbus-broker, started as the end-to-end tests start it.

import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A running bus, which ends with this value.
final class PrivateBus {
  /// The programs that a test with a real bus runs on.
  static let programs = ["dbus-daemon", "dbus-broker"]

  /// Where it listens.
  let path: String
  private let process: pid_t
  /// Its input and output.
  private let connection: Int32

  /// Starts `program` and waits until it accepts.
  init(_ program: String) throws {
    let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw SocketFailure("socketpair")
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    let words: [UnsafeMutablePointer<CChar>?] = ["/usr/bin/python3", "\(tests)/EndToEnd/private_bus.py", program].map {
      (word: String) in strdup(word)
    }
    defer { words.forEach { free($0) } }
    var child: pid_t = 0
    let status = posix_spawn(&child, "/usr/bin/python3", &actions, nil, words + [nil], environ)
    close(ends[1])
    guard status == 0 else { throw SocketFailure("posix_spawn") }
    process = child
    connection = ends[0]
    var line: [UInt8] = [], byte: UInt8 = 0
    while read(connection, &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
    path = String(decoding: line, as: UTF8.self)
    if path.isEmpty { throw SocketFailure("\(program) did not start") }
  }

  deinit {
    close(connection)
    var status: Int32 = 0
    waitpid(process, &status, 0)
  }
}

/// What the system did not do.
struct SocketFailure: Error, CustomStringConvertible {
  let description: String
  init(_ what: String) { description = "\(what): errno \(errno)" }
}
