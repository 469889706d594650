// Lines of the decision log, in each of its forms, as busgatectl reads them. Input: lines.

import PolicyTools

enum LogBody {
  static func run(_ input: [UInt8]) {
    for line in input.split(separator: UInt8(ascii: "\n")) {
      do throws(LogLineError) {
        _ = try LogLine.decision(line)
      } catch {
        demand(!"\(error)".isEmpty, "an error that says nothing")
      }
    }
  }
}
