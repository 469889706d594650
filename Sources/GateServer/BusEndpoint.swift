// Where a bus is, out of a server address of the specification. This version connects to Unix sockets.

import CLinux
import DBusWire
import Glibc

/// The upstream message bus: the alternatives of its address, tried in order.
public struct BusEndpoint: Sendable {
  /// The address as it was given.
  public let address: String
  let names: [UnixSocketName]

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
    var names: [UnixSocketName] = []
    for one in parsed where one.transport == "unix" {
      if let path = one["path"] {
        names.append(UnixSocketName(path: String(decoding: path, as: UTF8.self)))
      } else if let name = one["abstract"] {
        names.append(UnixSocketName(abstract: name))
      }
    }
    if names.isEmpty {
      throw UsageError("bus address \"\(address)\": this version connects to unix:path= and unix:abstract= only")
    }
    self.names = names
  }

  /// Starts a connection. A Unix socket connects at once or not at all.
  ///
  /// - Returns: The connected descriptor, or the last alternative's -errno; -EAGAIN means that the bus is busy accepting.
  func connect() -> Int32 {
    var last = -ENOENT
    for name in names {
      let fd = clinux_socket_unix()
      if fd < 0 { return fd }
      let result = unsafe name.bytes.withUnsafeBufferPointer { unsafe clinux_connect(fd, $0.baseAddress!, $0.count) }
      if result == 0 { return fd }
      closeDescriptor(fd)
      last = result
      if -result == EAGAIN { break }
    }
    return last
  }
}

/// A command line, or a value on it, that cannot be understood.
public struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What is wrong and what was expected.
  public let description: String

  /// A misuse described by `text`.
  public init(_ text: String) { description = text }
}
