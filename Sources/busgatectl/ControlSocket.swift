// The control socket of a running gate: a line is asked, a line is answered. What can be asked is GateServer's ControlRequest.

import GatePolicy
import GateServer
import PolicyTools

/// Asks a running gate.
enum ControlSocket {
  /// There is no usual path: `busgate run --control` is always given one. A gate that does not answer is waited for: who asks can interrupt.
  ///
  /// - Throws: what could not be done, or what the gate refused.
  static func ask(_ request: String, at path: String) throws -> (text: [UInt8], answer: JSONValue) {
    let text = try AdminCall(.control, at: path, within: nil).answer(to: Array((request + "\n").utf8))
    let answer: JSONValue
    do throws(ConfigurationError) {
      answer = try JSONValue.parse(text, file: path)
    } catch {
      throw AdminCall.Failure(description: "\(error)")
    }
    if let refusal = answer["error"]?.text { throw AdminCall.Failure(description: "\(path): error: \(refusal)") }
    return (text, answer)
  }
}
