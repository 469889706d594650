// Where a bus is, out of a server address of the specification: the alternatives, and connecting to one of them. How each kind of address is
// connected to stands in a BusConnector.

import DBusWire
import GateSession
import Glibc

/// The upstream message bus: the alternatives of its address, tried in order.
public struct BusEndpoint: Sendable {
  /// The transports of this version.
  private static let connectors: [any BusConnector.Type] = [UnixConnector.self, ProgramConnector.self]

  private struct Alternative: Sendable {
    let connector: any BusConnector
    /// The GUID that the bus there has to have; nil: any.
    let guid: String?
  }

  /// The address as it was given.
  public let address: String
  private let alternatives: [Alternative]

  /// Parses a server address. Alternatives of transports that this version does not have are passed over, as another may do. Throws a
  /// sentence that says where and what.
  ///
  /// Spec: "addresses".
  public init(address: String) throws(UsageError) {
    self.address = address
    let parsed: [BusAddress]
    do throws(AddressError) {
      parsed = try BusAddress.parse(address)
    } catch {
      throw UsageError("bus address \"\(address)\": \(error)")
    }
    var alternatives: [Alternative] = []
    for one in parsed {
      guard let kind = Self.connectors.first(where: { $0.transport.name.description == one.transport }) else { continue }
      alternatives.append(Alternative(connector: try kind.init(one, in: address), guid: one.guid))
    }
    if alternatives.isEmpty {
      throw UsageError(
        "bus address \"\(address)\": expected \(Self.expectedForms) (other transports are not in this version)")
    }
    self.alternatives = alternatives
  }

  /// Alternatives that are made otherwise than out of an address. For tests.
  init(address: String, connectors: [any BusConnector]) {
    precondition(!connectors.isEmpty, "an endpoint without alternatives")
    self.address = address
    alternatives = connectors.map { Alternative(connector: $0, guid: nil) }
  }

  private static var expectedForms: String {
    let forms = connectors.flatMap { $0.forms }  // by key path the compiler (6.3.1) breaks
    return forms.dropLast().joined(separator: ", ") + " or " + forms.suffix(1).joined()
  }

  /// How many alternatives there are.
  var alternativeCount: Int { alternatives.count }

  /// Whether a connection may be a program that is started for it.
  var startsPrograms: Bool { alternatives.contains { type(of: $0.connector).startsPrograms } }

  /// Starts a connection to the first alternative that can be, without waiting.
  ///
  /// - Parameters:
  ///   - first: The first alternative to be tried: behind one whose connection in progress came to nothing, the next.
  ///   - failure: What that one came to, as -errno: the answer if there is no other.
  func connect(from first: Int = 0, after failure: Int32 = -ENOENT) -> Opening {
    var last = failure
    for index in alternatives.indices.dropFirst(first) {
      let connector = alternatives[index].connector
      func opened(_ fd: Int32) -> Opened { Opened(fd: fd, alternative: index, transport: type(of: connector).transport) }
      switch connector.connect() {
      case .connected(let fd): return .connected(opened(fd))
      case .inProgress(let fd): return .inProgress(opened(fd))
      case .busy: return .busy
      case .failed(let number): last = number
      }
    }
    return .failed(last)
  }

  /// The GUID that the bus at an alternative has to have, if it is not what `bus` says of itself.
  ///
  /// Spec: "addresses", on the key `guid`.
  func guid(ofAlternative index: Int, missedBy bus: BusIdentity) -> String? {
    guard let guid = alternatives[index].guid else { return nil }
    return bus.hasGUID(guid.utf8) ? nil : guid
  }
}
