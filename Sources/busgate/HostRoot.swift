// Services see the gate behind every call that it lets through. As root of the host it would lend the container rights that no policy of the
// system bus, and no polkit, holds back.

import GateServer
import Glibc

/// Whether this process is root of the host.
enum HostRoot {
  /// Why a gate of a system bus is not served; nil if it may be.
  static func refusal(_ options: RunOptions) -> String? {
    let systemGate = options.listeners.first { options.policies[$0.label] == BusKind.system.rawValue }
    guard let systemGate, !options.servesAsRoot, isCurrent else { return nil }
    return "gate \(systemGate.label): it would serve a system bus as root, whom services let do everything, "
      + "expected another user (User= of a unit, setpriv --reuid), or --as-root"
  }

  /// Root of the initial user namespace. In another one "root" is somebody else to the bus.
  static var isCurrent: Bool { geteuid() == 0 && isInitialUserNamespace }

  /// Taken to be, where it can't be read.
  private static var isInitialUserNamespace: Bool {
    do {
      let map = try ConfigurationFile.contents(of: "/proc/self/uid_map", expected: "a map of user ids")
      let words = String(decoding: map, as: UTF8.self).split { $0 == " " || $0 == "\n" }
      return words == ["0", "0", "4294967295"]
    } catch {
      return true
    }
  }
}
