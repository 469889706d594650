// The corpora of the fuzzers: what they found worth keeping, and every input that once broke something. All of it has to pass for ever.

import FuzzBodies
import Glibc
import Testing

@Suite("the corpora of the fuzzers")
struct CorpusTests {
  /// Tests/Fuzz/Corpora.
  private static let root = #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" } + "/Corpora"

  private static func files(_ target: String) -> [String] {
    guard let directory = opendir("\(root)/\(target)") else { return [] }
    defer { closedir(directory) }
    var files: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(cString: $0.bindMemory(to: CChar.self).baseAddress!) }
      if !name.hasPrefix(".") { files.append("\(root)/\(target)/\(name)") }
    }
    return files.sorted()
  }

  @Test("every input in the corpus runs to its end", arguments: FuzzTarget.allCases)
  func replay(target: FuzzTarget) throws { try replay(target.rawValue, target.body) }

  @Test("every command line in the corpus is parsed, or refused with words")
  func replayCommandLines() throws { try replay(CommandLineBody.name, CommandLineBody.run) }

  private func replay(_ target: String, _ body: ([UInt8]) -> Void) throws {
    let files = Self.files(target)
    #expect(!files.isEmpty, "there is no corpus for \(target)")
    for file in files { body(try #require(contents(of: file), "\(file) cannot be read")) }
  }
}
