// Requests of the control socket. A request is one line: a word (`status`), words (`policy session`), or a JSON object
// (`{"command":"policy","gate":"session"}`). An answer is one JSON object on one line; one that is an error has the key `error`.
// Bytes in, values out.

import GatePolicy

/// A request.
struct ControlRequest: Equatable {
  /// What the socket understands.
  enum Command: String, CaseIterable {
    case help
    case policy
    case reload
    case status

    var help: String {
      switch self {
      case .help: "what can be asked"
      case .policy: "policy [GATE]: the rules in force, as configurations that can be given to the gate again"
      case .reload: "the configuration is read again; the answer comes when it is in force, or refused"
      case .status: "the gates and their connections"
      }
    }
  }

  /// Why a line is no request.
  struct Refusal: Error, Equatable {
    /// What is wrong and what was expected.
    let text: String
  }

  var command: Command
  /// The label of a gate; nil: all of them.
  var gate: String?

  /// Bytes that a line may have, its end included.
  static let byteCountMax = 4096

  /// Whether there is a line at the front of `bytes`, or what is to be taken for one.
  static func isComplete(_ bytes: [UInt8], isAtEnd: Bool) -> Bool {
    bytes.contains(UInt8(ascii: "\n")) || bytes.count >= byteCountMax || (isAtEnd && !bytes.isEmpty)
  }

  /// Reads a line without its end.
  static func parse(_ line: ArraySlice<UInt8>) throws(Refusal) -> ControlRequest {
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    if line.first(where: { !isBlank($0) }) == UInt8(ascii: "{") { return try parse(json: Array(line)) }
    let words = line.split(whereSeparator: isBlank).map { String(decoding: $0, as: UTF8.self) }
    guard let first = words.first else { throw Refusal(text: "empty request, expected a command") }
    var request = try named(first)
    if words.count > 2 || (words.count == 2 && request.command != .policy) {
      throw Refusal(text: "too many words, expected \(request.command.help)")
    }
    request.gate = words.count == 2 ? words[1] : nil
    return request
  }

  private static func named(_ word: String) throws(Refusal) -> ControlRequest {
    guard let command = Command(rawValue: word) else { throw Refusal(text: "unknown command \"\(word)\"") }
    return ControlRequest(command: command)
  }

  private static func parse(json line: [UInt8]) throws(Refusal) -> ControlRequest {
    var members: [String: String] = [:]
    do throws(ConfigurationError) {
      var reader = try JSONReader(line, file: "request", firstLine: 1)
      _ = try reader.peek()
      try reader.open()
      while let key = try reader.nextKey() {
        if try reader.peek() != .string { throw reader.unexpected(expected: "a string") }
        members[String(decoding: key.text, as: UTF8.self)] = String(decoding: try reader.string(), as: UTF8.self)
      }
      try reader.end()
    } catch {
      throw Refusal(text: "\(error)")
    }
    guard let word = members.removeValue(forKey: "command") else { throw Refusal(text: "no \"command\", expected one") }
    var request = try named(word)
    if request.command == .policy { request.gate = members.removeValue(forKey: "gate") }
    if let key = members.keys.min() { throw Refusal(text: "unknown key \"\(key)\" for \(request.command.rawValue)") }
    return request
  }
}
