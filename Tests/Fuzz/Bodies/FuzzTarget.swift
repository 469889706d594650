// What is fuzzed: each body takes any bytes, and traps where something does not hold. libFuzzer, `swift test` and a debugger run the same.

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
