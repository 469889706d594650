// The calls that the gate makes itself, on the client's own connection, to know who owns which name: there what the bus says about owners
// stands in the same order as everything else. Their answers stay here.
//
// Match rules first, then the question who owns what now: whatever changes after the answer is told by a signal. Until all is answered the
// client's calls and signals wait, so that none is judged by half of the truth; and since nothing of the client's is under way then that was
// sent after, a serial that is free at that moment stays free.

import DBusWire
import GatePolicy

extension Session {
  /// Another policy is in force than the one whose names are followed, if any.
  @inline(never)
  mutating func follow(_ policy: Policy, _ output: inout Output) {
    followedPolicy = policy.identity
    if settings.isUnfiltered { return }
    if names == nil {
      if !policy.followsNames && !settings.tellsOwners { return }
      names = NameWatch(ownersMax: settings.limits.ownersMax, hearing: matches.entries)
      if settings.logging != .nothing || settings.tellsOwners { names?.ownerNames = OwnerNames(limit: settings.limits.ownersMax) }
      goesTheLongWay = true
    }
    forgetRoutines()
    if !uniqueName.isEmpty { startFollowing(policy, &output) }
  }

  /// Asks the bus what has to be known for the names of `policy`.
  @inline(never)
  mutating func startFollowing(_ policy: Policy, _ output: inout Output) {
    guard let names else { return }
    if isMonitor {  // may not speak, and is told everything
      names.stop(ownersMax: settings.limits.ownersMax)
      goesTheLongWay = true
      return
    }
    let seed = settings.seed
    let kept = matches.entries.filter { $0.answered > 0 }.map(\.hash)
    names.follow(policy.followsNames ? policy.namePatterns : nil, all: settings.tellsOwners, keeping: kept) { seed.hash($0) }
    goesTheLongWay = true
    callOn(policy, &output)
  }

  /// Makes as many of the calls as may be under way; notes when all are answered.
  private mutating func callOn(_ policy: Policy, _ output: inout Output) {
    guard let names else { return }
    while let call = names.takeCall() {
      switch call {
      case .addMatch(_, let rule): makeOwnCall("AddMatch", unsafe rule.span.bytes, .ownAddMatch, detail: 0, names)
      case .listNames: makeOwnCall("ListNames", RawSpan(), .ownListNames, detail: 0, names)
      case .getNameOwner(let hash, let patterns, let name):
        names.asked[hash] = NameWatch.Asked(patterns: patterns, name: name)
        makeOwnCall("GetNameOwner", unsafe name.span.bytes, .ownGetNameOwner, detail: hash, names)
      case .removeMatch(_, let rule, let times): makeOwnRemoval(of: rule, times: times)
      }
    }
    if !names.isIdle || names.isReady { return }
    names.isReady = true
    names.asked = [:]
    names.table.settle()
    goesTheLongWay = policy.followsNames
    forgetRoutines()
    output.requests.insert(.resumeClient)
  }

  mutating func makeOwnCall(
    _ member: StaticString, _ argument: RawSpan, _ purpose: CallPurpose, detail: UInt64, _ names: NameWatch
  ) {
    names.pendingCount += 1
    makeOwnCall(member, argument, purpose, detail: detail)
  }

  mutating func makeOwnCall(_ member: StaticString, _ argument: RawSpan, _ purpose: CallPurpose, detail: UInt64) {
    let serial = takeFreeSerial()
    let call = PendingCall(serial: serial, purpose: purpose, expectedSender: .driver, detail: detail)
    precondition(outgoingCalls.insert(call, beyondLimit: true) == .done, "a free serial is in use")
    ownCallCount += 1
    ownSerials.noteCall(serial)
    // Whoever asks who owns a name does not want it started.
    LocalReply.appendDriverCall(member, argument, flags: .noAutoStart, serial: serial, to: &ownToBus)
  }

  /// Takes a match rule of the gate's own from the bus, as often as it is there.
  mutating func makeOwnRemoval(of rule: [UInt8], times: Int) {
    for _ in 0..<times {
      LocalReply.appendDriverCall(
        "RemoveMatch", unsafe rule.span.bytes, flags: .noReplyExpected, serial: takeFreeSerial(), to: &ownToBus)
    }
  }

  /// A serial that no call has which waits for its answer.
  mutating func takeFreeSerial() -> UInt32 {
    var serial = takeOwnSerial()
    while outgoingCalls.contains(serial) { serial = takeOwnSerial() }
    return serial
  }

  /// A call of the gate's own is answered: its serial is free again.
  mutating func noteOwnAnswer(_ header: MessageHeader, _ output: inout Output) {
    ownCallCount -= 1
    ownSerials.noteAnswer(to: header.replySerial)
    output.requests.insert(.resumeClient)
  }

  /// Whether the serial of a call of the client's is for now that of a call of the gate's own.
  @inline(never)
  func isTakenByOwnCall(_ header: MessageHeader) -> Bool {
    if header.frame.flags.contains(.noReplyExpected) { return false }
    return outgoingCalls.find(header.frame.serial)?.purpose.isOwn ?? false
  }

  /// Whether an answer to a message of the client's is looked for: see ``expect(_:)``.
  func isKeptAccountOf(_ header: MessageHeader) -> Bool {
    header.frame.type == .methodCall && !header.frame.flags.contains(.noReplyExpected)
  }

  /// Whether the answer to a call of the client's will be certain to be that.
  func hasCertainAnswer(_ header: MessageHeader) -> Bool {
    isKeptAccountOf(header) && header.frame.serial > unansweredSerialMax
  }

  /// Whether a message of which no account is kept may have its serial: see ``OwnSerials``. False: it has to wait.
  @inline(never)
  mutating func mayUseSerial(_ header: MessageHeader, _ output: inout Output) -> Bool {
    let serial = header.frame.serial
    if isMonitor || isKeptAccountOf(header) { return true }
    let isTaken = outgoingCalls.find(serial)?.purpose.isOwn ?? false
    if !isTaken && ownSerials.mayClientUse(serial) { return true }
    if !isTaken && ownSerials.lacksFence && !uniqueName.isEmpty { askForClient() }
    output.wait = .serial
    return false
  }

  /// Takes note of an answer to a call of the gate's own. False: the bus refuses what cannot be done without.
  mutating func takeOwnAnswer(
    _ call: PendingCall, _ message: RawSpan, _ header: MessageHeader, _ policy: Policy, _ output: inout Output
  ) -> Bool {
    guard let names else { preconditionFailure("an answer to a call that nobody made") }
    names.pendingCount -= 1
    noteOwnAnswer(header, &output)
    let succeeded = header.frame.type == .methodReturn
    let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    let signature = message.bytes(in: header.signature)
    do throws(WireError) {
      switch call.purpose {
      case .ownAddMatch:
        if !succeeded { return false }
      case .ownListNames:
        if !succeeded { return false }
        try MessageArguments.checkStrings(in: body, byteOrder: header.frame.byteOrder, signature: signature)
        askForOwners(body, header.frame.byteOrder, policy, names)
      case .ownGetNameOwner:
        // An error says that nobody does.
        if succeeded, let asked = names.asked[call.detail] {
          let place = try MessageArguments.leadingString(
            in: body, byteOrder: header.frame.byteOrder, signature: signature, expected: "s")
          let owner = body.extracting(Int(place.offset)..<Int(place.offset) + Int(place.count))
          note(settings.seed.hash(owner), of: call.detail, unsafe asked.name.span.bytes, asked.patterns, names)
        }
      case .call, .hello, .ownHello, .addMatch, .requestName, .listNames, .question, .becomeMonitor, .ownNameHasOwner,
        .ownReleaseName:
        preconditionFailure("not a call of the gate's own")
      }
    } catch {
      return false
    }
    callOn(policy, &output)
    return true
  }

  /// Of all names that there are, those that matter are asked for.
  private func askForOwners(_ list: RawSpan, _ byteOrder: ByteOrder, _ policy: Policy, _ names: NameWatch) {
    var strings = StringArray(list, byteOrder: byteOrder)
    var (count, otherCount) = (0, 0)
    while let name = strings.next() {
      if name.starts(with: UInt8(ascii: ":")) || name.isEqual(to: Driver.name) { continue }
      if name.byteCount > ClientNames.nameBytesMax { continue }  // no bus has such a name
      let patterns = policy.patterns(matching: name)
      if patterns.isEmpty {
        // The log goes without what is too much.
        if !settings.tellsOwners || otherCount == settings.limits.ownersMax { continue }
        otherCount += 1
      } else if count == settings.limits.ownersMax {
        names.table.noteIncompleteness()
        return
      } else {
        count += 1
      }
      names.add(
        .getNameOwner(hash: settings.seed.hash(name), patterns: patterns, name: unsafe name.withUnsafeBytes { unsafe Array($0) }))
    }
  }

  /// The bus says that `name` has a new owner, or none.
  mutating func noteOwner(of name: RawSpan, _ owner: RawSpan, _ policy: Policy) {
    guard let names else { return }
    let hash = settings.seed.hash(name)
    if name.starts(with: UInt8(ascii: ":")) {
      if owner.byteCount > 0 { return }
      names.ownerNames?.leave(hash)
      if names.table.remove(hash) { forgetRoutines() }
      return
    }
    // Before the client has its name nothing is followed yet, and all will be asked for.
    if uniqueName.isEmpty { return }
    if owner.byteCount == 0 {
      names.table.release(hash)
    } else {
      let patterns = policy.patterns(matching: name)
      if patterns.isEmpty && !settings.tellsOwners { return }
      note(settings.seed.hash(owner), of: hash, name, patterns, names)
      if patterns.isEmpty { return }
    }
    forgetRoutines()
  }

  /// A name has this owner: the rules' table has it if they ask for it, the log's if there is one.
  private func note(_ owner: UInt64, of hash: UInt64, _ name: RawSpan, _ patterns: NameSet, _ names: NameWatch) {
    if !patterns.isEmpty { names.table.setOwner(owner, of: hash, matchedBy: patterns) }
    names.ownerNames?.set(owner, of: hash, name)
  }
}
