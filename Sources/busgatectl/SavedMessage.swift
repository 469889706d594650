// A message in a file: the bytes as they went over the socket.

import GatePolicy
import GateServer
import PolicyTools

/// A message that was saved.
struct SavedMessage {
  let bytes: [UInt8]
  let query: MessageQuery

  /// Reads the file at `path`.
  ///
  /// - Parameter direction: its way; nil: a message with a SENDER came from the bus.
  init(_ path: String, direction: Direction?) throws(ConfigurationFailure) {
    let input = try InputFile(path, expected: "one D-Bus message")
    bytes = input.bytes
    do throws(MessageQueryError) {
      query = try MessageQuery(saved: input.bytes, direction: direction)
    } catch {
      throw ConfigurationFailure(description: "\(input.name): error: \(error)")
    }
  }
}
