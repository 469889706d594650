// What one round of sending needs, made once.

import GateSession
import Glibc

/// Room for the actions of one round of sending.
@safe
struct SendBatch: ~Copyable {
  /// Actions with offsets that count from the buffer's first byte.
  let actions = UnsafeMutablePointer<Output.Action>.allocate(capacity: Output.actionsMax)
  let parts = UnsafeMutablePointer<iovec>.allocate(capacity: Output.actionsMax)

  deinit {
    unsafe actions.deallocate()
    unsafe parts.deallocate()
  }
}
