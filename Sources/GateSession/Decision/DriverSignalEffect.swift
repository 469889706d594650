// What changes with a signal of the driver's.

import DBusWire

/// The change that comes with a signal of the driver.
enum DriverSignalEffect: BitwiseCopyable {
  /// The client owns a name, or has got its unique one.
  case acquireName(ByteRange)
  /// The client has lost a name.
  case loseName(ByteRange)
  /// A name has another owner; no bytes: none.
  case changeOwner(name: ByteRange, owner: ByteRange)
  /// A unique name has left the bus.
  case forgetCaller(name: ByteRange)
}
