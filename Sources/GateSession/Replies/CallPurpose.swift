// What a call without an answer was for, as a table: whose it is, to whom its answer has to be addressed, and what may stand in its place.

/// What the gate has to do, besides forwarding it, when the answer to a call comes in.
enum CallPurpose: UInt8, CaseIterable, BitwiseCopyable {
  /// Nothing.
  case call
  /// The client's Hello: its answer tells the unique name.
  case hello
  /// A Hello that the gate said: its answer stays here.
  case ownHello
  /// AddMatch: if it fails, the rule was not added. `detail` is the rule's ``ClientMatches/Entry/number``.
  case addMatch
  /// RequestName: if it fails, the name is not held. `detail` is the name's ``RequestedNames/Entry/number``.
  case requestName
  /// ListNames or ListActivatableNames, whose answer is filtered if the policy that is in force then has names.
  case listNames
  /// What the driver tells of a name, if the policy that is in force then lets it. `detail` is the identity of the policy that let the
  /// client ask.
  case question
  /// AddMatch of the gate's own.
  case ownAddMatch
  /// ListNames of the gate's own.
  case ownListNames
  /// GetNameOwner of the gate's own. `detail` is the name's hash.
  case ownGetNameOwner
  /// NameHasOwner of the gate's own: is a caller still there? `detail` is its hash.
  case ownNameHasOwner
  /// ReleaseName of the gate's own. `detail` is the name's hash.
  case ownReleaseName
  /// BecomeMonitor: if it succeeds, and the policy that is in force then allows it, everything passes.
  case becomeMonitor

  /// To whom an answer has to be addressed.
  enum Addressee {
    /// The client's unique name.
    case client
    /// The same, or nobody, if it comes from nobody: dbus-daemon answers calls without DESTINATION like that.
    case clientOrNobody
    /// Whoever it says: that is what it tells.
    case whoeverItSays
  }

  /// What is to be known of a purpose.
  struct Entry {
    let addressee: Addressee
    /// Whether an error may take the place of an answer that may not pass. The others tell the gate something that an error would not.
    var isReplaceable = false
    /// The driver's method, if the gate makes the call itself; its answer then stays here. nil: the client makes it.
    var ownMethod: StaticString?
  }

  /// The table.
  var entry: Entry {
    switch self {
    case .call: Entry(addressee: .clientOrNobody, isReplaceable: true)
    case .hello: Entry(addressee: .whoeverItSays)
    case .addMatch: Entry(addressee: .clientOrNobody)
    case .requestName: Entry(addressee: .clientOrNobody)
    case .listNames: Entry(addressee: .clientOrNobody, isReplaceable: true)
    case .question: Entry(addressee: .clientOrNobody, isReplaceable: true)
    case .becomeMonitor: Entry(addressee: .client)
    case .ownHello: Entry(addressee: .whoeverItSays, ownMethod: "Hello")
    case .ownAddMatch: Entry(addressee: .client, ownMethod: "AddMatch")
    case .ownListNames: Entry(addressee: .client, ownMethod: "ListNames")
    case .ownGetNameOwner: Entry(addressee: .client, ownMethod: "GetNameOwner")
    case .ownNameHasOwner: Entry(addressee: .client, ownMethod: "NameHasOwner")
    case .ownReleaseName: Entry(addressee: .client, ownMethod: "ReleaseName")
    }
  }

  /// Whether it is a call of the gate's own, whose answer stays here.
  var isOwn: Bool { entry.ownMethod != nil }
}
