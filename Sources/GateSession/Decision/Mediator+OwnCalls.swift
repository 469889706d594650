// The calls that the gate makes itself, on the client's own connection, to know who owns which name: there what the bus says about owners
// stands in the same order as everything else. Their answers stay here.
//
// Match rules first, then the question who owns what now: whatever changes after the answer is told by a signal. Until all is answered the
// client's calls and signals wait, so that none is judged by half of the truth; and since nothing of the client's is under way then that was
// sent after, a serial that is free at that moment stays free.

import DBusWire
import GatePolicy

extension Mediator {
  /// Another policy is in force than before.
  @inline(never)
  mutating func follow(_ policy: Policy, _ output: inout Output) {
    setPolicy(policy.identity)
    if settings.isUnfiltered { return }
    if !ownership.isFollowing {
      if !policy.followsNames && !settings.tellsOwners { return }
      ownership.begin(subscribed: matches.entries, keepsNames: settings.logging != .nothing || settings.tellsOwners)
    }
    if registration.isNamed { startFollowing(policy, &output) }
  }

  /// Asks the bus what has to be known for the names of `policy`.
  @inline(never)
  mutating func startFollowing(_ policy: Policy, _ output: inout Output) {
    if registration.isMonitor {
      ownership.stop()
      return
    }
    let kept = matches.entries.filter { $0.answered > 0 }.map(\.hash)
    ownership.follow(policy.followsNames ? policy.namePatterns : nil, all: settings.tellsOwners, keeping: kept)
    makeNamesCalls(policy, &output)
  }

  /// Makes as many of the calls as may be under way; notes when all are answered.
  private mutating func makeNamesCalls(_ policy: Policy, _ output: inout Output) {
    while let call = ownership.takeCall() {
      switch call {
      case .addMatch(_, let rule): makeNamesCall(.ownAddMatch, unsafe rule.span.bytes)
      case .listNames: makeNamesCall(.ownListNames, RawSpan())
      case .getNameOwner(let hash, let patterns, let name):
        ownership.noteAsked(hash, NameWatch.Asked(patterns: patterns, name: name))
        makeNamesCall(.ownGetNameOwner, unsafe name.span.bytes, detail: hash)
      case .removeMatch(_, let rule, let times): makeOwnRemoval(of: rule, times: times)
      }
    }
    if !ownership.isToBeSettled { return }
    ownership.settle(asksByName: policy.followsNames)
    invalidate()
    output.requests.insert(.resumeClient)
  }

  /// Makes a call of the gate's own without whose answer it is not known who owns what.
  mutating func makeNamesCall(_ purpose: CallPurpose, _ argument: RawSpan, detail: UInt64 = 0) {
    ownership.noteCall()
    makeOwnCall(purpose, argument, detail: detail)
  }

  /// Makes a call of the gate's own.
  mutating func makeOwnCall(_ purpose: CallPurpose, _ argument: RawSpan, detail: UInt64 = 0) {
    guard let method = purpose.entry.ownMethod else { preconditionFailure("not a call of the gate's own") }
    let serial = replies.noteOwnCall(purpose, detail: detail)
    // Whoever asks who owns a name does not want it started.
    LocalReply.appendDriverCall(method, argument, flags: .noAutoStart, serial: serial, to: &local.toBus)
  }

  /// Takes a match rule of the gate's own from the bus, as often as it is there.
  mutating func makeOwnRemoval(of rule: [UInt8], times: Int) {
    for _ in 0..<times {
      LocalReply.appendDriverCall(
        "RemoveMatch", unsafe rule.span.bytes, flags: .noReplyExpected, serial: replies.takeFreeSerial(), to: &local.toBus)
    }
  }

  /// A call of the gate's own is answered: its serial is free again.
  mutating func takeOwnReply(_ message: MessageView, _ output: inout Output) {
    replies.takeOwnReply(message.replySerial)
    output.requests.insert(.resumeClient)
  }

  /// A call of the gate's own about names is answered. If the bus refuses what cannot be done without, the connection ends.
  mutating func takeNamesReply(
    _ purpose: CallPurpose, detail: UInt64, _ message: MessageView, isTooLong: Bool, _ policy: Policy, _ output: inout Output
  ) {
    takeOwnReply(message, &output)
    ownership.noteReply()
    if isTooLong || !learn(from: message, purpose, detail, policy) {
      output.close = .namesNotFollowed
    } else {
      makeNamesCalls(policy, &output)
    }
  }

  /// Takes note of an answer; says whether it is one that the gate can go on with.
  private mutating func learn(
    from message: MessageView, _ purpose: CallPurpose, _ detail: UInt64, _ policy: Policy
  ) -> Bool {
    let succeeded = message.type == .methodReturn
    do throws(WireError) {
      switch purpose {
      case .ownAddMatch:
        return succeeded
      case .ownListNames:
        if !succeeded { return false }
        try MessageArguments.checkStrings(
          in: message.body, byteOrder: message.header.frame.byteOrder, signature: message.signature)
        askForOwners(message.body, message.header.frame.byteOrder, policy)
      case .ownGetNameOwner:
        // An error says that nobody does.
        if succeeded, let asked = ownership.asked(detail) {
          let owner = settings.seed.hash(message.bytes.bytes(in: try message.leadingString(expected: "s")))
          ownership.setOwner(owner, of: detail, unsafe asked.name.span.bytes, asked.patterns)
        }
      case .call, .hello, .ownHello, .addMatch, .requestName, .listNames, .question, .becomeMonitor, .ownNameHasOwner,
        .ownReleaseName:
        preconditionFailure("not a call about who owns what")
      }
    } catch {
      return false
    }
    return true
  }

  /// Of all names that there are, those that matter are asked for.
  private mutating func askForOwners(_ list: RawSpan, _ byteOrder: ByteOrder, _ policy: Policy) {
    var strings = StringArray(list, byteOrder: byteOrder)
    var (count, otherCount) = (0, 0)
    while let name = strings.next() {
      if name.starts(with: UInt8(ascii: ":")) || name.isEqual(to: Driver.name) { continue }
      if name.byteCount > BusName.byteCountMax { continue }  // no bus has such a name
      let patterns = policy.patterns(matching: name)
      if patterns.isEmpty {
        // The log goes without what is too much.
        if !settings.tellsOwners || otherCount == settings.limits.ownersMax { continue }
        otherCount += 1
      } else if count == settings.limits.ownersMax {
        ownership.noteIncompleteness()
        return
      } else {
        count += 1
      }
      ownership.add(
        .getNameOwner(hash: settings.seed.hash(name), patterns: patterns, name: unsafe name.withUnsafeBytes { unsafe Array($0) }))
    }
  }

  /// The bus says that `name` has a new owner, or none.
  mutating func noteOwner(of name: RawSpan, _ owner: RawSpan, _ policy: Policy) {
    let hash = settings.seed.hash(name)
    if name.starts(with: UInt8(ascii: ":")) {
      if owner.byteCount == 0 && ownership.leave(hash) { invalidate() }
      return
    }
    // Before the client has its name nothing is followed yet, and all will be asked for.
    if !registration.isNamed { return }
    if owner.byteCount == 0 {
      ownership.release(hash)
    } else {
      let patterns = policy.patterns(matching: name)
      if patterns.isEmpty && !settings.tellsOwners { return }
      ownership.setOwner(settings.seed.hash(owner), of: hash, name, patterns)
      if patterns.isEmpty { return }
    }
    invalidate()
  }
}
