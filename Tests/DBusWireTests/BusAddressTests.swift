// Server addresses, and where they are wrong.

import DBusWire
import Testing

@Suite("addresses")
struct BusAddressTests {
  /// An address in a form that shows all of it.
  private static func shown(_ text: String) throws(AddressError) -> String {
    try BusAddress.parse(text).map { address in
      let parameters = address.parameters.map { "\($0.key)=[\(String(decoding: $0.value, as: UTF8.self))]" }
      return address.transport + ":" + parameters.joined() + (address.guid.map { "#" + $0 } ?? "")
    }.joined(separator: ";")
  }

  @Test(
    "addresses are read",
    arguments: [
      ("unix:path=/run/dbus/system_bus_socket", "unix:path=[/run/dbus/system_bus_socket]"),
      ("unix:path=/tmp/a%20b%2cc%3B%3d", "unix:path=[/tmp/a b,c;=]"),
      ("unix:abstract=/tmp/dbus-*\\.x", "unix:abstract=[/tmp/dbus-*\\.x]"),
      ("unix:path=/a;tcp:host=127.0.0.1,port=80", "unix:path=[/a];tcp:host=[127.0.0.1]port=[80]"),
      ("unix:path=/a,guid=0123456789abcdefABCDEF0123456789", "unix:path=[/a]#0123456789abcdefABCDEF0123456789"),
      ("autolaunch:", "autolaunch:"), ("unix:path=/a;", "unix:path=[/a]"), ("unix:path=/a,", "unix:path=[/a]"),
      ("vsock:cid=2,port=1000", "vsock:cid=[2]port=[1000]"), ("unix:path=%2f", "unix:path=[/]"),
      ("unixexec:path=ssh,argv1=h", "unixexec:path=[ssh]argv1=[h]"),
      ("unix:path=%c3%a9", "unix:path=[\u{E9}]"),
    ])
  func legal(text: String, expected: String) throws { #expect(try Self.shown(text) == expected) }

  @Test(
    "what is no address is refused, with the place",
    arguments: [
      ("", .empty), ("unix", .transport(0)), (":path=/a", .transport(0)), (";", .transport(0)),
      ("unix:path=/a;;", .transport(13)),
      ("unix:path=/a;tcp", .transport(13)), ("unix:path", .key(5)), ("unix:=/a", .key(5)), ("unix:path=/a,,b=c", .key(13)),
      ("unix:,", .key(5)),
      ("unix:path=", .value(10)), ("unix:path=,a=b", .value(10)), ("unix:path=/a b", .unescaped(12)),
      ("unix:path=/a=b", .unescaped(12)),
      ("unix:path=/\u{E9}", .unescaped(11)), ("unix:path=/a:b", .unescaped(12)), ("unix:path=~", .unescaped(10)),
      ("unix:path=/a%", .escape(12)),
      ("unix:path=/a%2", .escape(12)), ("unix:path=/a%2,b=c", .escape(12)), ("unix:path=%zz", .escape(10)),
      ("unix:path=%+1", .escape(10)),
      ("unix:path=/a%00b", .nul(12)), ("unix:path=/a,path=/b", .repeatedKey(13)), ("unix:path=/a,guid=12", .guid(18)),
      ("unix:path=/a,guid=0123456789abcdef0123456789abcdeg", .guid(18)), ("un ix:path=/a", .transport(0)),
      ("unix:pa th=/a", .key(5)),
      ("unix:guid=0123456789abcdef0123456789abcdef,guid=0123456789abcdef0123456789abcdef", .repeatedKey(43)),
    ] as [(String, AddressError)])
  func illegal(text: String, expected: AddressError) {
    #expect(throws: expected) { try BusAddress.parse(text) }
  }

  @Test("a key is found, an absent one is not")
  func parameter() throws {
    let address = try #require(try BusAddress.parse("unix:path=/a,dir=/b").first)
    #expect(address["dir"] == Array("/b".utf8))
    #expect(address["abstract"] == nil)
  }

  @Test("errors say what was expected, and where")
  func description() {
    #expect("\(AddressError.key(5))" == "expected a key and '=' at byte 5")
  }
}
