// Which way a message goes. The words are the ones of the gateway documents; nothing here says who may send what.

/// The way of a message through the gate.
///
/// Source: configs/README.md, "The language, in ten minutes".
public enum Direction: UInt8, BitwiseCopyable, Sendable {
  /// From the client inside the container to the bus.
  case outgoing
  /// From the bus to the client inside the container.
  case incoming
}
