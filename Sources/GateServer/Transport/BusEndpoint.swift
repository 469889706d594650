// Where a bus is, out of a server address of the specification. This version connects to Unix sockets, and to programs.

import CLinux
import DBusWire
import GateSession
import Glibc

/// The upstream message bus: the alternatives of its address, tried in order.
public struct BusEndpoint: Sendable {
  private enum Way: Sendable {
    case socket(UnixSocketName)
    case program(BusProgram)
  }

  private struct Alternative: Sendable {
    let way: Way
    /// The GUID that the bus there has to have; nil: any.
    let guid: String?
  }

  /// A connection that was opened, and the alternative it was opened to.
  struct Opened {
    /// The descriptor, or -errno.
    let fd: Int32
    let alternative: Int
    static func result(of fd: Int32) -> Int32 { 0 }
  }

  /// The address as it was given.
  public let address: String
  private let alternatives: [Alternative]

  /// Parses a server address. Throws a sentence that says where and what.
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
      if let way = try Self.way(one, address) { alternatives.append(Alternative(way: way, guid: one.guid)) }
    }
    if alternatives.isEmpty {
      throw UsageError(
        "bus address \"\(address)\": expected unix:path=, unix:abstract= or unixexec:path= (other transports are not in this version)"
      )
    }
    self.alternatives = alternatives
  }

  /// The way to one alternative; nil for a transport that this version does not have. Another alternative may do.
  private static func way(_ one: BusAddress, _ address: String) throws(UsageError) -> Way? {
    switch one.transport {
    case "unix":
      let keys = one.parameters.map(\.key).filter { ["path", "abstract", "runtime", "dir", "tmpdir"].contains($0) }
      if keys.contains(where: { $0 == "runtime" || $0 == "dir" || $0 == "tmpdir" }) {
        throw UsageError("bus address \"\(address)\": \(keys[0])= is for listening only, expected unix:path= or unix:abstract=")
      }
      guard keys.count == 1 else { throw UsageError("bus address \"\(address)\": expected exactly one of path and abstract") }
      if let path = one["path"] { return .socket(UnixSocketName(path: path)) }
      return one["abstract"].map { .socket(UnixSocketName(abstract: $0)) }
    case "unixexec":
      return .program(try BusProgram(one, address))
    default:
      return nil
    }
  }

  /// Whether a connection may be a program that is started for it.
  var startsPrograms: Bool {
    alternatives.contains { alternative in
      switch alternative.way {
      case .program: true
      case .socket: false
      }
    }
  }

  /// What came of a connect.
  enum Opening {
    case connected(Opened)
    case inProgress(Opened)
    case busy
    case failed(Int32)
  }

  var alternativeCount: Int { alternatives.count }

  func connect(from first: Int = 0) -> Opening {
    var last = -ENOENT
    for index in first..<alternatives.count {
      let fd: Int32
      switch alternatives[index].way {
      case .socket(let name): fd = Self.connect(name)
      case .program(let program): fd = program.start()
      }
      if fd >= 0 { return .connected(Opened(fd: fd, alternative: index)) }
      if -fd == EAGAIN { return .busy }
      last = fd
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

  private static func connect(_ name: UnixSocketName) -> Int32 {
    let fd = clinux_socket_unix()
    if fd < 0 { return fd }
    let result = name.connect(fd)
    if result == 0 { return fd }
    closeDescriptor(fd)
    return result
  }
}
