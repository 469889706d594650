// Numbers as people write them, on the command line or for a limit: digits and nothing else, where Swift would also take a sign.

/// The number that `text` says in digits; nil if it is none, or too large. Inlinable, as it is to be specialised where
/// it is used: generic, it makes witness tables at the start.
@inlinable
package func plainNumber<Number: FixedWidthInteger>(_ text: some StringProtocol, radix: Int = 10) -> Number? {
  guard let first = text.utf8.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "-") else { return nil }
  return Number(text, radix: radix)
}
