// Server addresses, as the addresses of buses and as places to listen on. Nothing is opened.

import DBusWire
import GateServer

enum AddressBody {
  static func run(_ input: [UInt8]) {
    var alternatives: [BusAddress]?
    do throws(AddressError) {
      let parsed = try BusAddress.parse(input)
      demand(!parsed.isEmpty, "an address without alternatives")
      for one in parsed {
        demand(!one.transport.isEmpty, "an address without a transport")
        demand(one.guid?.utf8.count ?? 32 == 32, "a GUID of another length")
        demand(Set(one.parameters.map(\.key)).count == one.parameters.count, "a key that is there twice")
        demand(one.parameters.allSatisfy { !$0.value.isEmpty && !$0.value.contains(0) }, "a value without bytes, or with NUL")
        for parameter in one.parameters { demand(one[parameter.key] == parameter.value, "a key that is not found") }
      }
      alternatives = parsed
    } catch {
      demand(!"\(error)".isEmpty, "an error that says nothing")
    }
    guard let text = String(validating: input, as: UTF8.self) else { return }
    do throws(UsageError) {
      let endpoint = try BusEndpoint(address: text)
      demand(alternatives != nil && endpoint.address == text, "an endpoint without an address")
    } catch {
      demand(!"\(error)".isEmpty, "an error that says nothing")
    }
    do throws(UsageError) {
      switch try ListenAddress(text) {
      case .path, .abstract, .directory: break
      case .inherited: fatalError("a text became a descriptor")
      }
    } catch {
      demand(!"\(error)".isEmpty, "an error that says nothing")
    }
  }
}
