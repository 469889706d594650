// What is fuzzed: each body takes any bytes, and traps where something does not hold. libFuzzer, `swift test` and a debugger run the same.

import Glibc

/// A body, by the name of its corpus.
package enum FuzzTarget: String, CaseIterable {
  case addresses, arguments, handshakes, header, json, log, manifests, match, names, session, stream, tools

  package var body: ([UInt8]) -> Void {
    switch self {
    case .addresses: AddressBody.run
    case .arguments: ArgumentsBody.run
    case .handshakes: HandshakeBody.run
    case .header: HeaderBody.run
    case .json: DocumentBody.run
    case .log: LogBody.run
    case .manifests: ManifestBody.run
    case .match: MatchRuleBody.run
    case .names: NamesBody.run
    case .session: SessionBody.run
    case .stream: StreamBody.run
    case .tools: ToolsBody.run
    }
  }
}

/// A file's bytes, nil if it cannot be read.
package func contents(of path: String) -> [UInt8]? {
  guard let file = fopen(path, "rb") else { return nil }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65536)
  while true {
    let n = fread(&chunk, 1, chunk.count, file)
    if n == 0 { return ferror(file) == 0 ? bytes : nil }
    bytes += chunk[..<n]
  }
}

/// Takes numbers off the front of a fuzzer's input; 0 where there are none left.
struct Bytes {
  private(set) var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isEmpty: Bool { rest.isEmpty }

  mutating func byte() -> Int { Int(rest.popFirst() ?? 0) }

  mutating func number() -> Int { byte() << 8 | byte() }

  /// So many bytes, or what is left.
  mutating func take(_ count: Int) -> [UInt8] {
    let taken = Array(rest.prefix(count))
    rest = rest.dropFirst(count)
    return taken
  }
}

/// Traps with words, in release builds too.
func demand(_ holds: Bool, _ otherwise: @autoclosure () -> String) {
  if !holds { fatalError(otherwise()) }
}
