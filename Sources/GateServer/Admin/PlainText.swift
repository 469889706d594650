// What a running gate answered, for a person's terminal. It may have been somebody else who answered.

/// Text of somebody else's that a terminal shows and does not act on.
public enum PlainText {
  /// `text` with `?` for all that a terminal would act on, but for the ends of lines: control characters, and what turns the order of the text around
  /// (CVE-2021-42574).
  public static func onLines(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0 == "\n" || !$0.isUnprintable ? $0 : "?" }))
  }

  /// `text` on one line.
  public static func onOneLine(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.isUnprintable ? "?" : $0 }))
  }
}
