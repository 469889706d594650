// Where a gate is to listen, out of a path or a server address of the specification.

import CLinux
import DBusWire
import Glibc

/// A place to listen on.
public enum ListenAddress: Sendable, Equatable {
  /// A path in the file system.
  case path(String)
  /// A name in the abstract name space: whoever shares the network namespace can reach it.
  case abstract([UInt8])
  /// A path of the gate's own choice in this directory.
  case directory(String)
  /// A socket that was listening before the gate started.
  case inherited(Int32)

  /// Whether it is what it is: another try finds it as it was.
  public var isInherited: Bool {
    switch self {
    case .inherited: true
    case .path, .abstract, .directory: false
    }
  }

  /// Parses a path or an address. Throws a sentence that says what was expected.
  ///
  /// Spec: "transports-unix-domain-sockets".
  public init(_ text: String) throws(UsageError) {
    if text.hasPrefix("/") || text.hasPrefix("./") || text.hasPrefix("../") || !text.contains(":") {
      self = .path(text)
      return
    }
    let parsed: [BusAddress]
    do throws(AddressError) { parsed = try BusAddress.parse(text) } catch { throw UsageError("address \"\(text)\": \(error)") }
    guard parsed.count == 1, let address = parsed.first else {
      throw UsageError("address \"\(text)\": expected one address to listen on, not several")
    }
    guard address.transport == "unix" else {
      throw UsageError(
        "address \"\(text)\": this version listens on unix: only, expected a path or unix:path=, abstract=, dir=, tmpdir= or runtime=yes"
      )
    }
    self = try Self.unix(address, text)
  }

  private static func unix(_ address: BusAddress, _ text: String) throws(UsageError) -> ListenAddress {
    let keys = address.parameters.map(\.key)
    guard keys.count == 1, let value = address.parameters.first?.value, !value.isEmpty, !value.contains(0) else {
      throw UsageError("address \"\(text)\": expected exactly one of path, abstract, dir, tmpdir and runtime, with a value")
    }
    guard let string = String(validating: value, as: UTF8.self) ?? (keys[0] == "abstract" ? "" : nil) else {
      throw UsageError("address \"\(text)\": expected a \(keys[0]) in UTF-8")
    }
    switch keys[0] {
    case "path": return .path(string)
    case "abstract": return .abstract(value)
    case "dir", "tmpdir": return .directory(string)
    case "runtime":
      if string != "yes" { throw UsageError("address \"\(text)\": runtime=\(string), expected runtime=yes") }
      guard let directory = unsafe getenv("XDG_RUNTIME_DIR"), unsafe directory.pointee != 0 else {
        throw UsageError("address \"\(text)\": XDG_RUNTIME_DIR is not set, expected the user's runtime directory")
      }
      return .path(unsafe String(cString: directory) + "/bus")
    default: throw UsageError("address \"\(text)\": unknown key \(keys[0]), expected path, abstract, dir, tmpdir or runtime")
    }
  }
}
