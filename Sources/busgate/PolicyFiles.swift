// Configuration files and service manifests: read, parsed and put together, in order.

import GatePolicy
import GateServer

/// The rules of some files.
struct PolicyFiles {
  private(set) var session: [GatewayRule] = []
  private(set) var system: [GatewayRule] = []
  /// The names of all files, for either bus; nil if none has any.
  private(set) var names: NameRules?
  /// Whether any document has the array of a bus, be it an empty one.
  private var hasSession = false
  private var hasSystem = false
  /// What whoever started the gate should know about the files.
  private var notes: [String] = []
  /// What whoever started the gate hardly meant.
  private var warnings: [String] = []
  /// What is legal in a document, and looks like a mistake.
  private var documentWarnings: [ConfigurationWarning] = []
  /// Where documents contradict each other.
  private var contradictions: [Contradiction] = []

  /// Reads what `options` name; anything that is wrong refuses all of it, and is told of each file. A pipe can be read once: `again` refuses
  /// it, and whatever else might not answer while clients wait.
  static func read(_ options: RunOptions, again: Bool = false) throws(ConfigurationFailure) -> PolicyFiles {
    var all = PolicyFiles()
    var files: [String] = []
    var failures: [ConfigurationFailure] = []
    for place in options.configurations {
      do throws(ConfigurationFailure) { files += try place.files() } catch { failures.append(error) }
    }
    for file in files {
      do throws(ConfigurationFailure) {
        let document = try document(file, again)
        all.documentWarnings += document.warnings
        all.add(document)
      } catch {
        failures.append(error)
      }
    }
    do throws(ConfigurationFailure) { try all.add(options.manifests, again: again) } catch { failures.append(error) }
    if !failures.isEmpty { throw ConfigurationFailure(failures) }
    all.noteDoubts(options, files)
    return all
  }

  private static func document(_ file: String, _ again: Bool) throws(ConfigurationFailure) -> GatewayDocument {
    let text = try ConfigurationFile.contents(of: file, expected: "a gateway configuration", mustBeRegular: again)
    do throws(ConfigurationError) {
      return try GatewayDocument.parse(text, file: file)
    } catch {
      throw ConfigurationFailure(description: "\(error)")
    }
  }

  private mutating func add(_ options: ManifestOptions, again: Bool) throws(ConfigurationFailure) {
    if options.isEmpty { return }
    let manifests = ManifestSet(
      defaults: try ConfigurationFile.manifests(at: options.defaultPaths, mustBeRegular: again),
      others: try ConfigurationFile.manifests(at: options.paths, mustBeRegular: again))
    let selection: ManifestSet.Selection
    do throws(ManifestSet.MissingCapability) {
      selection = try manifests.select(options.capabilities)
    } catch {
      throw ConfigurationFailure(
        description: "\((options.defaultPaths + options.paths).joined(separator: ", ")): error: \(error)")
    }
    for document in selection.documents { add(document) }
    for (capability, gateway) in selection.skipped {
      notes.append(
        "\(gateway.location): gateway \"\(gateway.id)\" of capability \"\(capability)\" is skipped, only \"dbus\" is applied here"
      )
    }
  }

  /// Puts another document's rules behind these.
  mutating func add(_ document: GatewayDocument) {
    session += document.sessionRules
    system += document.systemRules
    hasSession = hasSession || document.hasSessionArray
    hasSystem = hasSystem || document.hasSystemArray
    if let added = document.names {
      var all = names ?? NameRules()
      all.add(added)
      names = all
    }
  }

  /// Tells whoever started the gate.
  func report(to log: Log) {
    for note in notes { log.note(note) }
    for warning in warnings { log.warning(warning) }
    for warning in documentWarnings { log.configuration("\(warning)", isError: false) }
    for contradiction in contradictions { log.configuration("\(contradiction)", isError: false) }
  }

  /// Warns of gates that deny everything, and of documents that contradict each other.
  private mutating func noteDoubts(_ options: RunOptions, _ files: [String]) {
    contradictions = [session, system].compactMap { Contradiction.first(in: $0) }
    if options.log.mode == .audit { return }
    for listener in options.listeners {
      guard let bus = options.policies[listener.label].flatMap(BusKind.init) else { continue }
      // Rules are still to come where standard input has them.
      if !policyIsEmpty(for: bus) || options.readsStandardInput { continue }
      let array = "\"dbus-gateway-config-\(bus.rawValue)\""
      let place = files.isEmpty ? "the manifests' capabilities" : files.joined(separator: ", ")
      let hasArray = bus == .session ? hasSession : hasSystem
      let reason = hasArray ? "is empty" : "is not there"
      warnings.append(
        "gate \(listener.label) denies everything, since \(array) \(reason) in \(place), expected rules in it")
    }
  }

  private func policyIsEmpty(for bus: BusKind) -> Bool {
    names == nil && (bus == .session ? session : system).isEmpty
  }

  func policy(for bus: BusKind) -> Policy {
    switch bus {
    case .session: Policy(rules: session, names: names, busName: bus.policyName)
    case .system: Policy(rules: system, names: names, busName: bus.policyName)
    }
  }
}
