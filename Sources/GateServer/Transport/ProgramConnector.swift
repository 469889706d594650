// unixexec: a program that speaks D-Bus on its standard input and output, one for each connection. The program ends when the gate
// closes its own end.

import CLinux
import DBusWire
import GateSession
import Glibc

/// A program to be started for each connection.
struct ProgramConnector: BusConnector {
  /// A socket pair joins us to the program: both ends are Unix sockets.
  static let transport = Transport(name: "unixexec", carriesDescriptors: true, carriesCredentials: true)
  static let forms = ["unixexec:path="]
  static let startsPrograms = true

  private let path: String
  private let arguments: [String]

  /// Out of a unixexec address: `path`, `argv0` and so on, without gaps.
  ///
  /// Spec: "transports-exec".
  init(_ address: BusAddress, in text: String) throws(UsageError) {
    func string(_ key: String) throws(UsageError) -> String? {
      guard let bytes = address[key] else { return nil }
      if bytes.contains(0) { throw UsageError("bus address \"\(text)\": \(key) has a NUL inside") }
      return String(decoding: bytes, as: UTF8.self)
    }
    guard let path = try string("path"), !path.isEmpty else {
      throw UsageError("bus address \"\(text)\": no path, expected unixexec:path=PROGRAM[,argv1=ARGUMENT…]")
    }
    self.path = path
    var arguments = [try string("argv0") ?? path]
    while let argument = try string("argv\(arguments.count)") { arguments.append(argument) }
    let named = address.parameters.filter { $0.key.hasPrefix("argv") && $0.key != "argv0" }.count
    if named != arguments.count - 1 {
      throw UsageError("bus address \"\(text)\": expected argv1, argv2 and so on without a gap, there are \(named)")
    }
    self.arguments = arguments
  }

  /// Starts the program. EAGAIN means that there may be no more processes at this moment.
  func connect() -> ConnectAttempt { ConnectAttempt(result: start()) }

  /// Our end of the program's standard input and output, or -errno.
  private func start() -> Int32 {
    var ends: (Int32, Int32) = (-1, -1)
    let made = unsafe clinux_socket_pair(&ends.0, &ends.1)
    if made < 0 { return made }
    let failure = spawn(theirEnd: ends.1)
    closeDescriptor(ends.1)
    if failure != 0 {
      closeDescriptor(ends.0)
      return -failure
    }
    return ends.0
  }

  private func spawn(theirEnd: Int32) -> Int32 {
    var vector = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe vector.indices { unsafe free(vector[index]) } }
    return unsafe vector.withUnsafeMutableBufferPointer { unsafe clinux_spawn(path, $0.baseAddress!, theirEnd) }
  }
}
