// Service manifests, and what of them applies for a container. Input: a manifest.

import GatePolicy

enum ManifestBody {
  static func run(_ input: [UInt8]) {
    let manifest: ServiceManifest
    do throws(ConfigurationError) {
      manifest = try ServiceManifest.parse(input, file: "fuzz.json")
    } catch {
      demand("\(error)".hasPrefix("fuzz.json:"), "an error without its place: \(error)")
      return
    }
    for warning in manifest.warnings { demand("\(warning)".hasPrefix("fuzz.json:"), "a warning without its place: \(warning)") }
    for gateway in manifest.capabilities.flatMap(\.gateways) {
      demand((gateway.document != nil) == (gateway.id == ServiceManifest.gatewayID), "gateway \(gateway.id) is another's")
    }
    let gatewayCount = manifest.capabilities.map(\.gateways.count).reduce(0, +)
    for set in [ManifestSet(defaults: [manifest]), ManifestSet(others: [manifest])] {
      do throws(ManifestSet.MissingCapability) {
        let all = try set.select(set.knownNames + set.knownNames)
        demand(
          all.documents.count + all.skipped.count == gatewayCount && all.capabilities.count == manifest.capabilities.count,
          "some of what was asked for is missing, or is there twice")
        let rules = all.documents.flatMap(\.sessionRules)
        if rules.count < 64 { _ = Policy(rules: rules, busName: "FUZZ") }
      } catch {
        fatalError("a name that is known is missing: \(error)")
      }
      do throws(ManifestSet.MissingCapability) {
        _ = try set.select(set.knownNames + ["\0"])
        demand(set.knownNames.contains("\0"), "a half-applied selection")
      } catch {
        demand(!"\(error)".isEmpty, "an error that says nothing")
      }
    }
  }
}
