// What there is to know of a reason, and how it is asked for.

extension Verdict.Reason {
  /// A row of the table of reasons.
  ///
  /// Source: contrib/OPERATORS.md, "The log".
  public struct Entry: Sendable {
    /// What the decision log and metrics call it.
    public let word: StaticString
    /// What it means, in a few words, for who reads the log.
    public let meaning: StaticString
    /// Why, in a sentence that names no rule, for who asks about a message that is denied; or that passes, where only such have the reason.
    public let sentence: StaticString
    /// The error that a denied caller gets.
    let error: DriverError
    /// The end of that error's sentence.
    let told: StaticString
    /// Whether the sentence then names the policy.
    let namesPolicy: Bool
    /// Whether a message can be refused for it. (What the gate keeps since it was meant for the gate is not refused.)
    public let refuses: Bool
    /// Whether the log of what did not pass has it: not what the client was never to get, and not a service that is unknown, since that is
    /// what a client asks for that goes on to call it.
    let isLogged: Bool
    /// Whether the message would have passed if there were a rule for it.
    public let isForWantOfRule: Bool
    /// The name of the limit that was hit; nil: it is no limit.
    public let limit: StaticString?

    @inline(__always)
    init(
      _ word: StaticString, meaning: StaticString, sentence: StaticString, error: DriverError = .accessDenied,
      told: StaticString = " is not allowed", namesPolicy: Bool = true, refuses: Bool = true, isLogged: Bool = true,
      isForWantOfRule: Bool = false, limit: StaticString? = nil
    ) {
      self.word = word
      self.meaning = meaning
      self.sentence = sentence
      self.error = error
      self.told = told
      self.namesPolicy = namesPolicy
      self.refuses = refuses
      self.isLogged = isLogged
      self.isForWantOfRule = isForWantOfRule
      self.limit = limit
    }
  }

  /// What the decision log and metrics call it.
  public var word: String { entry.word.description }

  /// Whether a message can be refused for it.
  public var refuses: Bool { entry.refuses }

  /// The reason that the log calls `word`; nil: there is none.
  public init?(word: String) {
    guard let reason = Self.allCases.first(where: { $0.word == word }) else { return nil }
    self = reason
  }
}
