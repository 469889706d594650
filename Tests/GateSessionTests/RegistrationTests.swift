// The client on the bus, by itself: who said Hello, and what came of it.

import DBusWire
import Testing

@testable import GateSession

/// The part, held where #expect does not copy it.
private final class Held {
  private var registration = Registration()

  var phase: Registration.Phase { registration.phase }
  var isNamed: Bool { registration.isNamed }
  var isDone: Bool { registration.isDone }
  var repeatsReply: Bool { registration.repeatsReply }
  var isMonitor: Bool { registration.isMonitor }
  var ownHelloSerial: UInt32 { registration.ownHelloSerial }
  var name: String { String(decoding: registration.uniqueName, as: UTF8.self) }

  func ask() { registration.ask() }
  func askForClient(avoiding serial: UInt32) -> UInt32 { registration.askForClient(avoiding: serial) }
  func takeOwnReply() { registration.takeOwnReply() }
  func setMonitor(_ isMonitor: Bool) { registration.setMonitor(isMonitor) }

  func take(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    return registration.take(bytes.span.bytes)
  }

  func isUniqueName(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    return registration.isUniqueName(bytes.span.bytes)
  }
}

@Suite("the client's registration")
struct RegistrationTests {
  @Test("a client says Hello and gets its name")
  func client() {
    let held = Held()
    #expect(held.phase == .unsaid && !held.isNamed && !held.isDone)
    held.ask()
    #expect(held.phase == .asked && !held.isDone)
    #expect(held.take(":1.7") && held.name == ":1.7")
    #expect(held.phase == .answered && held.isNamed && held.isDone)
    #expect(!held.repeatsReply, "it has its answer")
    held.ask()
    #expect(held.phase == .answered, "another Hello is the bus's to refuse")
  }

  @Test("the gate says Hello for it, and repeats the answer then")
  func gate() {
    let held = Held()
    #expect(held.askForClient(avoiding: 1) == .max)
    held.ask()
    #expect(held.phase == .askedByGate && held.ownHelloSerial == .max && !held.repeatsReply)
    #expect(held.take(":1.7"))
    held.takeOwnReply()
    #expect(held.isDone && held.repeatsReply && held.ownHelloSerial == 0)
  }

  @Test("if the bus refuses that there is a phase behind it, and no name")
  func refused() {
    let held = Held()
    _ = held.askForClient(avoiding: 1)
    held.takeOwnReply()
    #expect(held.phase == .answered && !held.isNamed && !held.isDone && !held.repeatsReply)
  }

  @Test(
    "the gate's Hello has another serial than the client's first message",
    arguments: [(1, .max), (.max - 1, .max), (.max, .max - 1)] as [(UInt32, UInt32)])
  func serial(avoided: UInt32, taken: UInt32) { #expect(Held().askForClient(avoiding: avoided) == taken) }

  @Test("what is no unique name is not taken", arguments: ["", "org.foo", "1.7", ":" + String(repeating: "7", count: 255)])
  func noName(name: String) {
    let held = Held()
    held.ask()
    #expect(!held.take(name) && held.phase == .asked && !held.isNamed)
  }

  @Test("the longest name is")
  func longest() { #expect(Held().take(":" + String(repeating: "7", count: 254))) }

  @Test(
    "a name is the client's if it is all of it",
    arguments: [(":1.7", true), (":1.8", false), (":1", false), (":1.77", false), ("", false)])
  func isUniqueName(name: String, isOwn: Bool) {
    let held = Held()
    #expect(!held.isUniqueName(name), "it has none")
    #expect(held.take(":1.7"))
    #expect(held.isUniqueName(name) == isOwn)
  }

  @Test("it is a monitor if the bus said so last")
  func monitor() {
    let held = Held()
    #expect(!held.isMonitor)
    for isMonitor in [true, false, true] {
      held.setMonitor(isMonitor)
      #expect(held.isMonitor == isMonitor)
    }
  }
}
