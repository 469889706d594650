// The bytes of literals, for comparing and writing them without a copy.

extension StaticString {
  /// The bytes of the literal, which never go away. Precondition: it is not a single scalar without memory of its own.
  @inlinable
  package var bytes: RawSpan {
    @inline(__always) @_lifetime(immortal)
    get {
      precondition(hasPointerRepresentation, "a literal without memory")
      let bytes = unsafe RawSpan(_unsafeStart: utf8Start, byteCount: utf8CodeUnitCount)
      return unsafe _overrideLifetime(bytes, copying: ())
    }
  }
}

/// Calls `body` with the bytes of `text`.
@inlinable @inline(__always)
package func withBytes<R>(of text: StaticString, _ body: (RawSpan) -> R) -> R { body(text.bytes) }
