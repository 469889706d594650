// A place in a file that an operator wrote. Made by the JSON reader, carried by rules, errors and warnings.

/// Where in a document something stands.
///
/// Source: ours.
public struct SourceLocation: Sendable, Equatable, CustomStringConvertible {
  /// Name of the document, as it was given to the parser.
  public var file: String
  /// Line, the first being 1. Only a line feed ends a line.
  public var line: Int
  /// Column in bytes, the first of a line being 1.
  public var column: Int

  /// The place at `line` and `column`, both counted from 1, of `file`.
  public init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  /// `file:line:column`, as compilers write it and editors jump to.
  public var description: String { "\(file):\(line):\(column)" }
}
