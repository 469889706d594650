// A reload that was asked for on the control socket: who waits for it, and what is answered. Reading files and compiling policies is the host's, which
// may take its time: its answer comes when the policy is in force, and nothing else waits for it.

import GatePolicy

/// A reload that somebody asked for on the control socket, and waits for.
public struct ReloadRequest: Hashable, Sendable {
  let number: UInt64
}

/// What came of a reload.
public enum ReloadOutcome: Equatable, Sendable {
  /// The new policy is in force.
  case done
  /// The old policy stays: everything that is wrong, each as a line for people.
  case refused([String])
}

extension Server {
  /// Answers whoever asked for a reload, if they still wait. Called once for each request that ``onReloadRequest`` was called with, within it or later.
  public mutating func answer(_ request: ReloadRequest, _ outcome: ReloadOutcome) {
    beginCall()
    defer { finishCall() }
    for listener in admin { listener.client(waitingFor: request)?.take(reloadAnswer(outcome), &self) }
  }

  /// Has the host reload while `client` waits. False: the host does not reload.
  mutating func askForReload(for client: AdminClient) -> Bool {
    guard let reload = onReloadRequest else { return false }
    reloadRequestCount &+= 1
    let request = ReloadRequest(number: reloadRequestCount)
    client.waitsFor = request
    reload(&self, request)
    return true
  }

  private func reloadAnswer(_ outcome: ReloadOutcome) -> [UInt8] {
    var json = JSONWriter()
    json.object { json in
      switch outcome {
      case .done:
        json.member("reload", "done")
        json.key("gates")
        json.array { json in
          for gate in allGates {
            json.object { json in
              json.member("gate", gates[gate.place].label)
              json.member("rules", gates[gate.place].policy.rules.count)
            }
          }
        }
      case .refused(let errors):
        json.member("error", "the reload was refused; the old policy stays")
        json.key("errors")
        json.array { json in
          for error in errors { json.value(error) }
        }
      }
    }
    json.endLine()
    return json.text
  }
}
