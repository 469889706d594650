// Addresses: against libdbus's parser, and what GDBus takes for one.

import CDBus
import CGLib
import DBusWire
import Testing

@Suite("addresses, as libdbus and GDBus read them", .serialized)
struct AddressOracleTests {
  private static let pieces = [
    "unix:", "unix:", "tcp:", "path=", "path=", "abstract=", "host=", "port=", "/a/b", "127.0.0.1", "80", ";", ",", ",", "%20",
    "%2f",
    "%00", "%", "%zz", "=", ":", "guid=", "0123456789abcdef0123456789abcdef", "a b", "\\", "*", "-", "~", "\u{E9}", "dir=",
    "unix:path=/run/a", "unixexec:path=ssh,argv1=x", "autolaunch:",
  ]

  private struct Entry: Equatable {
    var transport: String
    var values: [String: [UInt8]]
  }

  /// What libdbus has to say of `keys` in each alternative; nil if it is no address to it. It can't be asked which keys there are.
  private static func libdbus(_ bytes: [UInt8], _ keys: [[String]]) -> [Entry]? {
    var entries: UnsafeMutablePointer<OpaquePointer?>?
    var count: Int32 = 0
    guard withCString(bytes, { dbus_parse_address($0, &entries, &count, nil) }) != 0 else { return nil }
    defer { dbus_address_entries_free(entries) }
    return (0..<Int(count)).map { index in
      let entry = entries![index]
      var values: [String: [UInt8]] = [:]
      for key in index < keys.count ? keys[index] : [] {
        if let value = dbus_address_entry_get_value(entry, key) {
          values[key] = UnsafeRawBufferPointer(start: value, count: strlen(value)).map { $0 }
        }
      }
      return Entry(transport: String(cString: dbus_address_entry_get_method(entry)), values: values)
    }
  }

  private static func ours(_ bytes: [UInt8]) -> Result<[Entry], AddressError> {
    do {
      return .success(
        try BusAddress.parse(bytes).map { address in
          var values: [String: [UInt8]] = [:]
          for one in address.parameters { values[one.key] = one.value }
          if let guid = address.guid { values["guid"] = Array(guid.utf8) }
          return Entry(transport: address.transport, values: values)
        })
    } catch {
      return .failure(error)
    }
  }

  /// Whether libdbus may take what is refused for this reason: what `BusAddress.parse` says of itself.
  private static func isStricter(_ error: AddressError) -> Disagreement? {
    switch error {
    case .repeatedKey: .repeatedAddressKey
    case .guid: .addressGUID
    case .nul: .addressNUL
    case .transport: .addressTransport
    case .key: .addressKey
    case .empty, .value, .unescaped, .escape: nil
    }
  }

  @Test("libdbus finds the same transports, keys and values in the same addresses")
  func libdbus() {
    var texts = TextGenerator(purpose: 30, pieces: Self.pieces, piecesMax: 8), findings = Findings(), accepted = 0
    for _ in 0..<OracleRun.count(600_000) {
      let bytes = texts.next()
      findings.compare()
      switch Self.ours(bytes) {
      case .success(let ours):
        accepted += 1
        let theirs = Self.libdbus(
          bytes, ours.map { Array($0.values.keys) + ["path", "abstract", "host", "port", "dir", "guid"] })
        if theirs != ours { findings.tell("read as \(ours), by libdbus as \(String(describing: theirs))", bytes) }
      case .failure(let error):
        guard Self.libdbus(bytes, []) != nil else { continue }
        if let known = Self.isStricter(error) { findings.count(known) } else { findings.tell("\(error), libdbus accepts", bytes) }
      }
    }
    #expect(accepted > findings.cases / 100)
    findings.finish(
      "addresses, libdbus (\(accepted) accepted by both)",
      expected: [.repeatedAddressKey, .addressGUID, .addressNUL, .addressTransport, .addressKey])
  }

  @Test("what GDBus supports is an address to busgate too, and what busgate takes is one to GDBus")
  func glib() {
    var texts = TextGenerator(purpose: 31, pieces: Self.pieces, piecesMax: 8), findings = Findings()
    for _ in 0..<OracleRun.count(300_000) {
      let bytes = texts.next()
      findings.compare()
      let isAddress = withCString(bytes) { g_dbus_is_address($0) != 0 }
      let isSupported = withCString(bytes) { g_dbus_is_supported_address($0, nil) != 0 }
      switch Self.ours(bytes) {
      case .success:
        guard !isAddress else { continue }
        let alternatives = bytes.split(separator: UInt8(ascii: ";"))
        if bytes.last == UInt8(ascii: ";") || alternatives.contains(where: { $0.last == UInt8(ascii: ",") }) {
          findings.count(.trailingSeparator)
        } else {
          findings.tell("accepted, no address to GDBus", bytes)
        }
      case .failure(.value): if isSupported { findings.count(.emptyAddressValue) }
      case .failure(.unescaped): if isSupported { findings.count(.unescapedByte) }
      case .failure(.empty): if isSupported { findings.count(.emptyAddress) }
      case .failure(let error):
        guard isSupported else { continue }
        if let known = Self.isStricter(error) {
          findings.count(known)
        } else {
          findings.tell("\(error), GDBus supports it", bytes)
        }
      }
    }
    findings.finish("addresses, GDBus", expected: [.emptyAddress, .unescapedByte, .emptyAddressValue, .trailingSeparator])
  }
}
