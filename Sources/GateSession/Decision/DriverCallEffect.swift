// What changes with a call of the client's to the driver, besides the answer that is expected.

import DBusWire

/// The change that comes with a call to the driver.
enum DriverCallEffect: BitwiseCopyable {
  /// The client says Hello.
  case hello
  /// The gate has said Hello before: it repeats the answer.
  case repeatHello
  /// The client adds a match rule, or removes one.
  case addMatch(MatchRuleChange), removeMatch(MatchRuleChange)
  /// The client asks for a name. `isCertain`: what comes as its answer will be that.
  case requestName(hash: UInt64, name: ByteRange, isCertain: Bool)
  /// The client gives the name with this hash back.
  case releaseName(hash: UInt64)
  /// The client asks what the driver knows of a name.
  case askAboutName(name: ByteRange, NameQuestion.Kind)
  /// The gate says that nobody has the name that was asked about.
  case answerNobody
}
