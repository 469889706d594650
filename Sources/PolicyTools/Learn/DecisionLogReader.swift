// A decision log of any length, a chunk at a time: lines of text or JSON as the sidecar writes them, and what `journalctl -o json` and
// `-o export` make of its entries. What form it is in is seen line by line. Keeps what has no line end yet, and a tally; or the decisions
// themselves, where somebody wants each.

import GatePolicy

/// Reads logs into a tally.
public struct DecisionLogReader: Sendable {
  /// Unreadable lines that are kept to be shown; the others are counted.
  public static let unreadableMax = 20

  /// What the logs told so far.
  public private(set) var tally: DecisionTally
  /// Lines so far.
  public private(set) var lineCount = 0
  /// The first lines that could not be read.
  public private(set) var unreadable: [UnreadableLine] = []
  /// How many they were in all.
  public private(set) var unreadableCount = 0

  /// The first line that is the journal's MESSAGE, which has no keys.
  public private(set) var shownMessage: UnreadableLine?
  /// The decisions, each with its line, if they are kept.
  public private(set) var decisions: [(line: Int, decision: LoggedDecision)] = []
  private let keepsDecisions: Bool

  private var file = ""
  private var line = 0
  /// What came behind the last line end.
  private var rest: [UInt8] = []
  /// Whether the rest of a line that is too long is passed over.
  private var isPassing = false
  private var entry = JournalEntry()
  private var scanner = FastLogScanner()
  private var key = DecisionKey()

  /// A reader of nothing so far.
  ///
  /// - Parameter keepsDecisions: They are not added to the tally then.
  public init(keepsDecisions: Bool = false) { self.init(tally: DecisionTally(), keepsDecisions: keepsDecisions) }

  init(tally: DecisionTally, keepsDecisions: Bool = false) { (self.tally, self.keepsDecisions) = (tally, keepsDecisions) }

  /// What is fed from now on is `file`.
  public mutating func begin(file: String) {
    self.file = file
    tally.begin(file: file)
    line = 0
  }

  /// Reads the next bytes of the file.
  public mutating func feed(_ chunk: ArraySlice<UInt8>) {
    var bytes = rest
    rest = []
    bytes.append(contentsOf: chunk)
    var start = 0
    while let next = takeNext(bytes, from: start) { start = next }
    rest = bytes
    rest.removeFirst(start)
    if !entry.isInsideOfValue && rest.count > LogLine.bytesMax + 1 { passOverLine() }
  }

  /// The file ends here.
  public mutating func end() {
    if entry.isInsideOfValue {
      refuse(LogLineError(column: 1, message: "the file ends inside of a field, expected the rest of a journal entry"))
    } else if !rest.isEmpty && !isPassing {
      take(0..<rest.count, of: rest)
    }
    finishEntry()
    entry = JournalEntry()
    rest = []
    isPassing = false
  }

  /// Reads the line or value that begins at `start`; returns where the next one begins, or nil if it is not all there.
  private mutating func takeNext(_ bytes: [UInt8], from start: Int) -> Int? {
    if entry.isInsideOfValue {
      let next = entry.takeValue(bytes.span, from: start)
      if next != nil { line += 1 }
      return next
    }
    guard let end = Self.lineEnd(in: bytes.span, from: start) else { return nil }
    if isPassing { isPassing = false } else { take(start..<end, of: bytes) }
    return end + 1
  }

  private static func lineEnd(in bytes: Span<UInt8>, from start: Int) -> Int? {
    var at = start
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: "\n") { return at }
      at += 1
    }
    return nil
  }

  /// What has come of a line is too long: the rest of it is passed over.
  private mutating func passOverLine() {
    if !isPassing {
      countLine()
      refuse(LogLineError(column: LogLine.bytesMax + 1, message: "line too long, expected at most \(LogLine.bytesMax) bytes"))
    }
    isPassing = true
    rest.removeAll(keepingCapacity: true)
  }

  private mutating func countLine() {
    line += 1
    lineCount += 1
  }

  private mutating func refuse(_ error: LogLineError, at line: Int? = nil) {
    unreadableCount += 1
    let place = UnreadableLine(file: file, line: line ?? self.line, column: error.column, message: error.message)
    if error == .shownMessage && shownMessage == nil { shownMessage = place }
    if unreadable.count < Self.unreadableMax { unreadable.append(place) }
  }

  /// Reads the line `bytes[place]`.
  private mutating func take(_ place: Range<Int>, of bytes: [UInt8]) {
    countLine()
    if !keepsDecisions, scanner.read(bytes.span, place), let count = scanner.count(in: bytes.span) {
      scanner.make(&key, of: bytes.span)
      tally.add(key.bytes, count: count, line: line)
      return
    }
    if place.isEmpty { return finishEntry() }
    if entry.takeLine(bytes[place], at: line) { return }
    do throws(LogLineError) {
      if let decision = try LogLine.decision(bytes[place]) { try add(decision, at: line) }
    } catch {
      refuse(error)
    }
  }

  private mutating func add(_ decision: LoggedDecision, at line: Int) throws(LogLineError) {
    if keepsDecisions {
      decisions.append((line, decision))
      return
    }
    guard key.set(decision) else { throw LogLineError(column: 1, message: "NUL in a value, expected none") }
    tally.add(key.bytes, count: decision.count, line: line)
  }

  /// An empty line, or the end: the journal entry is complete, if there is one.
  private mutating func finishEntry() {
    if entry.isEmpty { return }
    let firstLine = entry.firstLine
    defer { entry = JournalEntry() }
    do throws(LogLineError) {
      if let decision = try entry.decision() { try add(decision, at: firstLine) }
    } catch {
      refuse(error, at: firstLine)
    }
  }
}
