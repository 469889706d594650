// The command line of xdg-dbus-proxy, parsed into policies; nothing is listened on here. Arguments may come from descriptors too (`--args`),
// which are read to their ends where they stand.
//
// The corresponding manual page is xdg-dbus-proxy(1).

import GatePolicy
import GateServer
import Glibc

/// What `xdg-dbus-proxy` was told.
struct XdgProxyOptions {
  /// An ADDRESS and a PATH, and what follows them.
  struct Proxy {
    var address: String
    var path: String
    var isFiltered = false
    var isLogged = false
    var names = NameRules()
    /// Those of its options that mean nothing without `--filter`.
    var idleOptions: [String] = []
  }

  enum Request { case serve, help, version }

  private(set) var request = Request.serve
  private(set) var proxies: [Proxy] = []
  /// The descriptor of `--fd`: it gets a byte when all sockets accept, and the program stops when its other end is closed.
  private(set) var syncDescriptor: Int32?
  /// Changes to the limits of each gate, in order.
  private(set) var limits: [(inout GateOptions) -> Void] = []
  /// What is still to be parsed, the next argument last.
  private var waiting: [String]
  /// How many arguments have been parsed.
  private var count = 0

  /// Parses the words behind the program's name. Throws what is wrong and what was expected.
  ///
  /// - Parameter read: Reads a descriptor to its end, and closes it; throws a sentence.
  init(_ arguments: [String], read: (Int32) throws(UsageError) -> [UInt8]) throws(UsageError) {
    waiting = arguments.reversed()
    while let argument = next() {
      if !argument.hasPrefix("-") {
        guard let path = next(), !path.hasPrefix("-") else {
          throw UsageError("No socket path given, expected ADDRESS PATH, such as unix:path=/run/user/1000/bus /run/container/bus")
        }
        proxies.append(Proxy(address: argument, path: path))
        proxies[proxies.count - 1].names.trustsPeers = true
        continue
      }
      try take(argument, read)
      // As in xdg-dbus-proxy: whatever is wrong behind these does not matter.
      if request != .serve { return }
    }
    if proxies.isEmpty { throw UsageError("No proxies specified, expected at least one ADDRESS PATH") }
  }

  private mutating func next() -> String? {
    count += 1
    return waiting.popLast()
  }

  private mutating func take(_ argument: String, _ read: (Int32) throws(UsageError) -> [UInt8]) throws(UsageError) {
    if let limit = try LimitFlag.take(argument, next: { waiting.popLast() }) {
      limits.append(limit)
      return
    }
    let option = Self.parts(argument).0
    let value = Self.parts(argument).1 ?? valueBehind(option)
    switch (option, value) {
    case ("--help", nil): request = .help
    case ("--version", nil): request = .version
    case ("--fd", let value?):
      guard let descriptor = Self.descriptor(value), fcntl(descriptor, F_GETFD) >= 0 else {
        throw UsageError("Invalid fd \(value), expected the number of an open descriptor")
      }
      syncDescriptor = descriptor
    case ("--args", let value?):
      guard let descriptor = Self.descriptor(value) else {
        throw UsageError("Invalid --args fd \(value), expected the number of an open descriptor")
      }
      waiting += Self.arguments(try read(descriptor)).reversed()
    default: try takeProxyOption(argument, option, value)
    }
  }

  /// The next word, where `option` takes a value and none stands behind its `=`: the peer refuses that, busgate's other programs have it.
  private mutating func valueBehind(_ option: String) -> String? {
    guard Self.takesValue.contains(option) || option == "--fd" || option == "--args", waiting.last?.hasPrefix("-") == false else {
      return nil
    }
    return next()
  }

  private static func unknown(_ argument: String, _ option: String) -> UsageError {
    let options = takesNoValue + takesValue + ["--help", "--version", "--fd", "--args", "--limit"]
    let meant = nearest(to: Array(option.utf8), among: options) ?? "one of those that --help lists"
    return UsageError("Unknown argument \(argument), expected \(meant)")
  }

  /// These belong to the ADDRESS before them.
  private mutating func takeProxyOption(_ argument: String, _ option: String, _ value: String?) throws(UsageError) {
    guard Self.takesNoValue.contains(option) || Self.takesValue.contains(option) else {
      throw Self.unknown(argument, option)
    }
    if Self.takesValue.contains(option) != (value != nil) {
      throw UsageError("Unknown argument \(argument), expected \(option)\(value == nil ? "=NAME" : " without a value")")
    }
    guard !proxies.isEmpty else { throw UsageError("Unknown argument \(argument), expected it behind ADDRESS PATH") }
    var proxy = proxies[proxies.count - 1]
    let location = SourceLocation(file: argument, line: count, column: 1)
    if option != "--filter" && option != "--log" { proxy.idleOptions.append(option) }
    switch (option, value ?? "") {
    case ("--filter", _): proxy.isFiltered = true
    case ("--log", _): proxy.isLogged = true
    case ("--sloppy-names", _): proxy.names.showsUniqueNames = true
    case ("--see", let name): proxy.names.allow(.see, try Self.pattern(name), at: location)
    case ("--talk", let name): proxy.names.allow(.talk, try Self.pattern(name), at: location)
    case ("--own", let name): proxy.names.allow(.own, try Self.pattern(name), at: location)
    case (_, let pair):
      let (name, rule) = Self.parts(pair)
      guard let rule else { throw UsageError("'\(pair)' is not a valid name + rule, expected NAME=RULE") }
      let (pattern, messages) = (try Self.pattern(name), try Self.messages(rule, name))
      if option == "--call" {
        proxy.names.allowCalls(messages, to: pattern, at: location)
      } else {
        proxy.names.allowBroadcasts(messages, from: pattern, at: location)
      }
    }
    proxies[proxies.count - 1] = proxy
  }

  private static let takesNoValue = ["--filter", "--log", "--sloppy-names"]
  private static let takesValue = ["--see", "--talk", "--own", "--call", "--broadcast"]

  /// What stands before and behind the first `=`; nil if there is none.
  private static func parts(_ text: String) -> (String, String?) {
    guard let equals = text.utf8.firstIndex(of: UInt8(ascii: "=")) else { return (text, nil) }
    return (String(text[..<equals]), String(text[text.utf8.index(after: equals)...]))
  }

  private static func descriptor(_ text: String) -> Int32? {
    text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int32(text) : nil
  }

  /// Arguments end with a NUL; the last one need not.
  private static func arguments(_ bytes: [UInt8]) -> [String] {
    var parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
    if parts.last?.isEmpty ?? false { parts.removeLast() }
    return parts.map { String(decoding: $0, as: UTF8.self) }
  }

  private static func pattern(_ name: String) throws(UsageError) -> NamePattern {
    do throws(NamePatternError) {
      return try NamePattern(Array(name.utf8))
    } catch {
      throw UsageError("'\(name)' is not a valid dbus name: \(error)")
    }
  }

  private static func messages(_ rule: String, _ name: String) throws(UsageError) -> MessagePattern {
    do throws(NamePatternError) {
      return try MessagePattern(parsing: Array(rule.utf8))
    } catch {
      throw UsageError("'\(rule)' is not a valid rule for \(name): \(error)")
    }
  }
}
