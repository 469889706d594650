// What the host does when it is told to. Each line is one command, and is answered by one line: `ok …` or `error …`. Unasked it says
// `listening LABEL [ERROR]` when a gate that was added with `retrying` accepts at last, or why it does not.
//
//   add LABEL ADDRESS BUS POLICY [OPTION …]                  a gate; POLICY is a gateway document, an OPTION
//                               retrying, shy (removed as soon as it listens at last), hello-timeout=MS, connections-max=N
//                               or hello-pending-max=N
//   remove LABEL MS                                                removes it, and drains it for so long
//   times N LABEL ADDRESS BUS POLICY                               adds and removes a gate N times
//   policy LABEL POLICY                                            another policy for a gate
//   gates                                                          those that are there, also those that drain
//   hold, go                                                       dispatch() is not called; and is again
//   dispatches                                                     how often it was called
//   renew                                                          another server takes this one's place
//   stop                                                           the server is stopped, and the host ends with it

import GatePolicy
import GateServer
import Glibc

/// The commands, and the gates by their labels.
final class Commands {
  private var gates: [String: GateID] = [:]
  /// Gates that are removed as soon as they listen at last.
  private var shy: Set<String> = []
  private var input: [UInt8] = []
  private(set) var isHolding = false
  private(set) var isAtEnd = false
  private(set) var isToRenew = false
  /// How often the host called dispatch().
  var dispatches = 0

  /// A server without gates.
  func makeServer() throws(SystemError) -> Server {
    isToRenew = false
    gates = [:]
    var server = try Server(log: Log(fd: STDERR_FILENO))
    server.onListening = { [weak self] server, label in
      guard let self, let gate = server.gate(called: label) else { return }
      if shy.contains(label) { server.removeGate(gate, drain: 0) }
      let failure = server.hasGate(gate) ? server.listenFailure(ofGate: gate)?.description : nil
      answer(["listening \(label)", failure].compactMap { $0 }.joined(separator: " "))
    }
    return server
  }

  /// Writes a line.
  func answer(_ text: String) {
    let line = Array((text + "\n").utf8)
    let count = unsafe line.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress!, $0.count) }
    precondition(count == line.count, "an answer was cut")
  }

  /// One read of standard input, and the commands that are complete by it.
  func read(_ server: inout Server) {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(STDIN_FILENO, $0.baseAddress!, $0.count) }
    isAtEnd = count <= 0
    input += chunk.prefix(max(0, count))
    while let end = input.firstIndex(of: UInt8(ascii: "\n")) {
      let words = String(decoding: input[..<end], as: UTF8.self).split(separator: " ").map(String.init)
      input.removeFirst(end + 1)
      do {
        let said = try perform(words, &server)
        if !isToRenew { answer(said) }
      } catch {
        answer("error \(error)")
      }
    }
  }

  private func perform(_ words: [String], _ server: inout Server) throws -> String {
    switch (words.first, words.count) {
    case ("add", 5...): try add(Array(words[1...]), &server)
    case ("remove", 3): server.removeGate(try gate(words[1]), drain: try number(words[2]))
    case ("times", 6):
      for _ in 0..<(try number(words[1])) {
        try add(Array(words[2...]), &server)
        server.removeGate(try gate(words[2]), drain: 0)
      }
    case ("policy", 3): server.setPolicy(try policy(words[2]), ofGate: try gate(words[1]))
    case ("gates", 1):
      return (["ok"] + gates.filter { server.hasGate($0.value) }.keys.sorted()).joined(separator: " ")
    case ("hold", 1): isHolding = true
    case ("go", 1): isHolding = false
    case ("dispatches", 1): return "ok \(dispatches)"
    case ("renew", 1): isToRenew = true
    case ("stop", 1): server.stop()
    default: throw UsageError("unknown command \(words)")
    }
    return "ok"
  }

  private func add(_ words: [String], _ server: inout Server) throws {
    var options = GateOptions(
      label: words[0], address: try ListenAddress(words[1]), bus: try BusEndpoint(address: words[2]), policy: try policy(words[3])
    )
    for word in words[4...] {
      let (name, value) = (word.prefix { $0 != "=" }, String(word.drop { $0 != "=" }.dropFirst()))
      switch name {
      case "retrying": break
      case "shy": shy.insert(words[0])
      case "hello-timeout": options.settings.limits.helloTimeout = try number(value)
      case "connections-max": options.connectionsMax = Int(try number(value))
      case "hello-pending-max": options.helloPendingMax = Int(try number(value))
      default: throw UsageError("unknown option \(word)")
      }
    }
    gates[words[0]] = try server.addGate(options, retrying: words[4...].contains("retrying"))
  }

  private func gate(_ label: String) throws -> GateID {
    guard let gate = gates[label] else { throw UsageError("no gate was called \(label)") }
    return gate
  }

  private func number(_ text: String) throws -> UInt64 {
    guard let number = UInt64(text) else { throw UsageError("\(text) is no number") }
    return number
  }

  private func policy(_ file: String) throws -> Policy {
    let document = try GatewayDocument.parse(try ConfigurationFile.contents(of: file, expected: "a gateway document"), file: file)
    return Policy(rules: document.sessionRules, names: document.names, busName: "SESSION")
  }
}
