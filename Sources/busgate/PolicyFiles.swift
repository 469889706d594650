// Configuration files: read, parsed and put together, in order.

import GatePolicy
import Glibc

/// Why configurations were refused: already a line for people, with file, line and column where there is one.
struct ConfigurationFailure: Error, CustomStringConvertible {
  let description: String
}

/// The rules of some files.
struct PolicyFiles {
  private(set) var session: [GatewayRule] = []
  private(set) var system: [GatewayRule] = []

  /// Reads and parses `files`. A pipe can be read once: `again` refuses it, and whatever else might not answer while clients wait.
  static func read(_ files: [String], again: Bool = false) throws(ConfigurationFailure) -> PolicyFiles {
    var all = PolicyFiles()
    for file in files {
      let text = try contents(of: file, mustBeRegular: again)
      do throws(ConfigurationError) {
        all.add(try GatewayDocument.parse(text, file: file))
      } catch {
        throw ConfigurationFailure(description: "\(error)")
      }
    }
    return all
  }

  /// Puts another document's rules behind these.
  mutating func add(_ document: GatewayDocument) {
    session += document.sessionRules
    system += document.systemRules
  }

  func policy(for bus: BusKind) -> Policy {
    switch bus {
    case .session: Policy(rules: session, busName: bus.policyName)
    case .system: Policy(rules: system, busName: bus.policyName)
    }
  }

  /// The largest file that is read: what a document may have, and one byte more, so that the parser says what is wrong.
  private static let bytesMax = 16 * 1024 * 1024 + 1

  /// Milliseconds that a pipe may let us wait for more.
  private static let patience: Int32 = 5000

  private static func contents(of file: String, mustBeRegular: Bool) throws(ConfigurationFailure) -> [UInt8] {
    // Opening a pipe waits for nobody to write to it.
    let fd = unsafe open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if fd < 0 { throw failure(file, errno) }
    defer { close(fd) }
    var status = stat()
    if unsafe fstat(fd, &status) != 0 { throw failure(file, errno) }
    if mustBeRegular && status.st_mode & S_IFMT != S_IFREG {
      throw failure(file, "it is no regular file and cannot be read a second time")
    }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while text.count < bytesMax {
      let n = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(fd, $0.baseAddress!, $0.count) }
      if n < 0 && errno == EINTR { continue }
      if n < 0 && errno == EAGAIN {
        try awaitMore(fd, file)
        continue
      }
      if n < 0 { throw failure(file, errno) }
      if n == 0 { break }
      text.append(contentsOf: chunk[..<n])
    }
    return text
  }

  private static func awaitMore(_ fd: Int32, _ file: String) throws(ConfigurationFailure) {
    var poll = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
    let count = unsafe Glibc.poll(&poll, 1, patience)
    if count < 0 && errno != EINTR { throw failure(file, errno) }
    if count == 0 { throw failure(file, "nothing came for \(patience / 1000) s") }
  }

  private static func failure(_ file: String, _ number: Int32) -> ConfigurationFailure {
    failure(file, unsafe String(cString: strerror(number)))
  }

  private static func failure(_ file: String, _ reason: String) -> ConfigurationFailure {
    ConfigurationFailure(description: "\(file): error: cannot be read: \(reason), expected a gateway configuration")
  }
}
