// What is said as a world is given to: see Temper.

extension MessageScript {
  /// A name that no policy opens and no client says: see ``Temper/hasSecret``.
  static let secret = "com.secret.Name"

  /// Hello as no library says it.
  static func oddHello(_ choices: inout Choices) -> Draft {
    Draft.driver(1, "Hello").changed { hello in
      switch choices.below(7) {
      case 0: hello.interface = nil
      case 1: hello.destination = nil
      case 2: hello.flags = Draft.noReply
      case 3: hello.path = "/foo"
      case 4: hello.order = .big
      case 5: hello = hello.with([.string("org.a")])
      default: hello.interface = "org.foo.Bar"
      }
    }
  }

  /// What this bus most likely says to `call`: lists have the secret, and what the gate asks for itself may be refused.
  func answer(
    _ choices: inout Choices, _ serial: UInt32, _ to: String, _ replySerial: UInt32, _ call: ReferenceGate.Call, from: String
  ) -> Draft {
    if case .own = call.purpose, choices.below(1000) >= 1000 - temper.refusals {
      return Draft.error(serial, to: replySerial, of: to, from: from)
    }
    let answer = Self.answer(&choices, serial, to, replySerial, call, from: from)
    guard temper.hasSecret, answer.signature == "as", let texts = answer.texts else { return answer }
    return Draft.answer(serial, to: replySerial, of: to, from: from).with([.strings(texts + [Self.secret])])
  }

  /// What everybody is told of a name that has another owner.
  static func ownerSignal(_ name: String, _ old: String, _ new: String) -> Draft {
    Draft.signal(0, interface: driver, "NameOwnerChanged", path: "/org/freedesktop/DBus", from: driver)
      .with([.string(name), .string(old), .string(new)])
  }

  /// Of any name; sometimes one that leaves the bus.
  func ownerSignal(_ choices: inout Choices) -> Draft {
    if choices.chance(10) {
      let unique = choices.pick(Self.uniques.dropLast())
      return Self.ownerSignal(unique, unique, "")
    }
    let name = choices.pick(temper.hasSecret ? Self.names + [Self.secret] : Self.names)
    return Self.ownerSignal(name, choices.pick(Self.uniques + [""]), choices.pick(Self.uniques + [""]))
  }
}
