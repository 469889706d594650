// What followed a flag, read as what the flag wants; and what is said if it is something else.

import GateServer
import Glibc

/// A flag as it was given.
struct FlagValue {
  let flag: String
  /// What followed it; empty if it takes nothing.
  let text: String
  /// What was to follow.
  let expected: String

  /// What is wrong with the value, and what was expected.
  func misuse(_ expected: String) -> UsageError { UsageError("\(flag) \"\(text)\": expected \(expected)") }

  /// Throws what was expected if the value was not understood.
  func check(_ isUnderstood: Bool) throws(UsageError) {
    if !isUnderstood { throw misuse(expected) }
  }

  /// A gate's label, and what is said of that gate.
  func pair(_ expected: String) throws(UsageError) -> (label: String, text: String) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { throw misuse(expected) }
    let isPlain = parts[0].utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        true
      default: false
      }
    }
    if !isPlain || parts[0].utf8.count > 64 { throw misuse("a gate's name of at most 64 letters, digits, and - _ .") }
    return (parts[0], parts[1])
  }

  /// A path that is not to be given twice.
  func path(unless given: String?) throws(UsageError) -> String {
    if given != nil { throw UsageError("\(flag) given twice, expected one path") }
    if text.hasPrefix("unix:") { throw UsageError("\(flag) \"\(text)\": it is an address, expected a path") }
    return text
  }

  /// Permissions.
  func mode() throws(UsageError) -> UInt32 {
    guard let mode: UInt32 = plainNumber(text, radix: 8), mode <= 0o777, text.utf8.count <= 4 else {
      throw UsageError("\(flag) \(text): expected an octal mode from 0 to 0777")
    }
    return mode
  }

  func user() throws(UsageError) -> UInt32 {
    guard let uid = UserDatabase.user(text) else {
      throw UsageError("\(flag) \(text): no such user in /etc/passwd, expected a number or a name there")
    }
    return uid
  }

  /// Who is to own a file; no group: it stays as it is made.
  func owner() throws(UsageError) -> (user: UInt32, group: UInt32?) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let user = UserDatabase.user(parts[0]) else {
      throw UsageError("\(flag) \(text): no such user in /etc/passwd, expected USER or USER:GROUP")
    }
    if parts.count == 1 { return (user, nil) }
    guard let group = UserDatabase.group(parts[1]) else {
      throw UsageError("\(flag) \(text): no such group in /etc/group, expected USER or USER:GROUP")
    }
    return (user, group)
  }

  /// A descriptor that is open, and can be written to.
  func descriptor() throws(UsageError) -> Int32 {
    guard let number: Int32 = plainNumber(text) else { throw misuse("a descriptor number") }
    let flags = fcntl(number, F_GETFL)
    if flags < 0 { throw UsageError("\(flag) \(number): it is not open, expected an open descriptor") }
    if flags & O_ACCMODE == O_RDONLY {
      throw UsageError("\(flag) \(number): it is open for reading only, expected a descriptor to write to")
    }
    // Programs of unixexec must not hold it open; their standard descriptors are made for them.
    if number > STDERR_FILENO { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
    return number
  }
}
