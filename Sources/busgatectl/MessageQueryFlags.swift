// The message that `explain` is asked about, on a command line.

import ArgumentParser
import DBusWire
import GatePolicy
import PolicyTools

/// What is known of a message.
struct MessageQueryFlags: ParsableArguments {
  @Option(help: "outgoing: from the container to the bus; incoming: from the bus to the container.")
  var direction: Direction?

  @Option(help: "The message's type; method_call if not given.")
  var type: LoggedDecision.MessageKind?

  @Option(help: "INTERFACE; none if not given.")
  var interface: String?

  @Option(help: "PATH, the object that is called or that sends the signal.")
  var path: String?

  @Option(help: "MEMBER, the method or signal.")
  var member: String?

  @Option(help: "DESTINATION. If not given, the bus itself for its own interface and path, else some peer without a name.")
  var destination: String?

  @Option(help: "The well-known name of the other end: of who is called or gets a signal, or of who sends an incoming message.")
  var name: String?

  @Option(help: "SENDER of an incoming message.")
  var sender: String?

  @Option(help: "Number of file descriptors.")
  var fds: Int?

  @Option(
    name: [.customLong("arg0"), .customLong("about")],
    help: ArgumentHelp(
      "The first argument, a string: a match rule, or the name that the bus is asked about (RequestName, GetNameOwner and the like).",
      valueName: "text"))
  var argument: String?

  /// Whether nothing was said.
  var isEmpty: Bool {
    direction == nil && type == nil && interface == nil && path == nil && member == nil && destination == nil && name == nil
      && sender == nil && fds == nil && argument == nil
  }

  func validate() throws {
    func check(_ text: String?, _ flag: String, _ isLegal: (RawSpan) -> Bool, _ expected: String) throws {
      guard let text else { return }
      let bytes = Array(text.utf8)
      if !isLegal(unsafe bytes.span.bytes) { throw ValidationError("--\(flag) \"\(text)\": expected \(expected)") }
    }
    try check(interface, "interface", NameGrammar.isInterface, "an interface such as org.example.Door")
    try check(path, "path", NameGrammar.isObjectPath, "an object path such as /org/example/door")
    try check(member, "member", NameGrammar.isMember, "a member such as Open, without its interface")
    try check(destination, "destination", NameGrammar.isBusName, "a bus name")
    try check(
      name, "name", { NameGrammar.isBusName($0) && !NameGrammar.isUniqueName($0) }, "a well-known name such as org.example.House")
    try check(sender, "sender", NameGrammar.isBusName, "a bus name")
    if let fds, !(0...65535).contains(fds) { throw ValidationError("--fds \(fds): expected a number from 0 to 65535") }
    if let argument, argument.utf8.contains(0) { throw ValidationError("--arg0: expected text without NUL") }
  }

  /// The message, if enough is known of it.
  func query() throws -> MessageQuery {
    var query = MessageQuery(direction: direction ?? .outgoing, kind: type ?? .methodCall)
    switch query.kind {
    case .methodCall, .signal:
      guard let path else { throw ValidationError("no --path, expected the object path of the message") }
      guard let member else { throw ValidationError("no --member, expected the method or signal") }
      if query.kind == .signal && interface == nil {
        throw ValidationError("no --interface, expected one: every signal has it")
      }
      (query.path, query.member, query.interface) = (path, member, interface ?? "")
    case .methodReturn, .error: break
    }
    if query.direction == .outgoing && sender != nil {
      throw ValidationError("--sender: the gate does not look at who an outgoing message says it is from, expected --destination")
    }
    let isOutgoing = query.direction == .outgoing
    let isOutgoingCall = isOutgoing && query.kind == .methodCall
    query.sender = sender ?? ""
    query.destination = destination ?? ""
    if let name {
      // Without a destination a signal is for everybody, and nobody's name counts.
      let isSentToName = isOutgoingCall || isOutgoing && query.kind == .signal
      if destination == nil && isSentToName { query.destination = name } else { query.peerName = name }
    } else if let sender, !sender.hasPrefix(":"), sender != "org.freedesktop.DBus" {
      throw ValidationError("--sender \"\(sender)\": the bus writes unique names, expected one such as :1.7, or --name")
    }
    if isOutgoingCall && query.destination.isEmpty {
      let isForBus = query.interface == "org.freedesktop.DBus" || query.path == "/org/freedesktop/DBus"
      query.destination = isForBus ? "org.freedesktop.DBus" : MessageQuery.someone
    }
    query.fds = fds ?? 0
    query.argument = argument
    return query
  }
}
