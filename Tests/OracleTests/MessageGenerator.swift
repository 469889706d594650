// Messages that look like messages, and what becomes of them when somebody changes a byte. About half are well-formed.

/// Makes messages. The values of fields are taken from lists of good and bad ones; a body has the signature that the header says,
/// usually. Then, in half of the cases, bytes are changed.
struct MessageGenerator {
  var generator: SeededGenerator
  private var isLittle = true
  private var bytes: [UInt8] = []
  private var last: [UInt8] = []

  init(purpose: UInt64) { generator = SeededGenerator(purpose: purpose) }

  private static let paths = [
    "/", "/a", "/com/example/Object", "/_9", "/org/freedesktop/DBus", "/org/freedesktop/DBus/Local",
    "/org/freedesktop/DBus/Local/a", "/a/b/c/d/e/f/g/h/i", "", "//", "/a/", "a", "/a-b", "/a//b", "/a.b", "/\u{E9}",
  ]
  private static let interfaces = [
    "com.example.Open", "a.b", "_.A9", "org.freedesktop.DBus", "org.freedesktop.DBus.Local", "org.freedesktop.DBus.Locale",
    "org.freedesktop.DBus.Properties",
    "a", "", ".a", "a.", "a..b", "a.9", "a-b.c", ":1.2", "a.b ", "a.b\u{0}c",
  ]
  private static let members = ["Open", "M", "_", "a9", "AddMatch", "Hello", "", "9a", "a.b", "a-b", "a b", "\u{E9}"]
  private static let busNames = [
    "com.example.Service", ":1.42", "org.freedesktop.DBus", "a-b.c", "_.-", ":1.2.3", ":1", ":a.-", "", "a", "a..b", "1.2", ":",
    ":1.", ":.1", "a.b\u{7F}", ":a:b.c", "-a.b",
  ]
  private static let signatures = [
    "s", "y", "u", "a{sv}", "as", "v", "(su)", "sss", "ay", "a(yv)", "g", "o", "b", "h", "x", "at", "a{ya{sv}}", "nqd", "aai", "",
    "a", "z", "()", "a{vs}", "(", "e", "r", "a{s}", "((((((((((y))))))))))", "aaaaaaaaaaay",
  ]
  private static let strings = ["", "x", "hello", "\u{E9}\u{20AC}\u{1F600}", "a\u{FFFE}b", "com.example.Open", "12345678"]

  /// The next message: its bytes, as many as its frame says, or what is left of them.
  mutating func next() -> [UInt8] {
    build()
    if generator.oneIn(2) { mutate() }
    last = bytes
    return bytes
  }

  /// The last message that `next()` gave, with other serials, perhaps, and in half of the cases with bytes changed.
  mutating func again() -> [UInt8] {
    bytes = last
    if generator.oneIn(2), bytes.count >= 12 { set(UInt32(truncatingIfNeeded: generator.next()), at: 8) }
    if generator.oneIn(2) { mutate() }
    return bytes
  }

  private mutating func good(_ choices: [String], _ goodCount: Int) -> String {
    // One in twenty is bad: of five fields, one in four messages has one.
    generator.oneIn(20) ? generator.pick(choices) : choices[generator.below(goodCount)]
  }

  private mutating func build() {
    isLittle = generator.oneIn(2)
    let type = generator.oneIn(20) ? UInt8(truncatingIfNeeded: generator.next()) : UInt8(1 + generator.below(4))
    bytes = [isLittle ? 0x6C : 0x42, type, UInt8(generator.below(8)), 1, 0, 0, 0, 0]
    put(generator.oneIn(100) ? 0 : UInt32(truncatingIfNeeded: generator.next()) | 1)
    put(0 as UInt32)
    let signature = generator.oneIn(3) ? "" : good(Self.signatures, 19)
    for code in fieldCodes(of: type, hasSignature: !signature.isEmpty) { field(code, signature) }
    set(UInt32(bytes.count - 16), at: 12)
    pad(8)
    let start = bytes.count
    // What the signature says has to be well-formed for a value of it to be written.
    if let types = ValueTypes(signature) { for one in types.all { value(one, depth: 0, start) } }
    set(UInt32(bytes.count - start), at: 4)
  }

  private mutating func fieldCodes(of type: UInt8, hasSignature: Bool) -> [UInt8] {
    var codes: [UInt8] =
      switch type {
      case 1: [1, 3]
      case 2: [5]
      case 3: [4, 5]
      case 4: [1, 2, 3]
      default: []
      }
    if generator.oneIn(20), !codes.isEmpty { codes.remove(at: generator.below(codes.count)) }
    if hasSignature { codes.append(8) }
    for code in [2, 6, 7] as [UInt8] where !codes.contains(code) && generator.oneIn(2) { codes.append(code) }
    while generator.oneIn(4) { codes.append(UInt8(generator.oneIn(2) ? 1 + generator.below(10) : generator.below(256))) }
    codes.shuffle(using: &generator)
    return codes
  }

  private mutating func field(_ code: UInt8, _ signature: String) {
    pad(8)
    bytes.append(code)
    let known = [1: "o", 2: "s", 3: "s", 4: "s", 5: "u", 6: "s", 7: "s", 8: "g", 9: "u", 10: "o"] as [UInt8: String]
    let type = generator.oneIn(40) ? generator.pick(Self.signatures) : known[code] ?? good(Self.signatures, 19)
    bytes.append(UInt8(type.utf8.count))
    bytes += type.utf8
    bytes.append(0)
    if generator.oneIn(60) { bytes[bytes.count - 1] = 1 }
    switch (code, type) {
    case (1, "o"), (10, "o"): text(good(Self.paths, 5))
    case (2, "s"), (4, "s"): text(good(Self.interfaces, 4))
    case (3, "s"): text(good(Self.members, 6))
    case (6, "s"), (7, "s"): text(good(Self.busNames, 8))
    case (8, "g"):
      bytes.append(UInt8(signature.utf8.count))
      bytes += signature.utf8
      bytes.append(0)
    case (9, "u"):
      pad(4)
      // Descriptors are not there to be had here, so there are none, but now and then.
      put(UInt32(generator.oneIn(50) ? 1 : 0))
    default:
      if let types = ValueTypes(type) { for one in types.all { value(one, depth: 1, 0) } }
    }
  }

  private mutating func value(_ type: ValueTypes.Kind, depth: Int, _ start: Int) {
    let isBad = generator.oneIn(60)
    switch type {
    case .fixed(let code, let count):
      pad(count, from: start)
      if code == UInt8(ascii: "b") {
        put(UInt32(isBad ? 2 : generator.below(2)))
      } else {
        for _ in 0..<count { bytes.append(UInt8(truncatingIfNeeded: generator.next())) }
      }
    case .string:
      pad(4, from: start)
      let one = isBad ? [0xC3] : Array(generator.pick(Self.strings).utf8)
      put(UInt32(one.count))
      bytes += one + [0]
    case .path:
      pad(4, from: start)
      text(good(Self.paths, 8))
    case .signature:
      let one = good(Self.signatures, 20)
      bytes.append(UInt8(one.utf8.count))
      bytes += one.utf8
      bytes.append(0)
    case .variant:
      let inner = depth > 6 ? "y" : generator.oneIn(3) ? "v" : good(Self.signatures, 19)
      bytes.append(UInt8(inner.utf8.count))
      bytes += inner.utf8
      bytes.append(0)
      if let types = ValueTypes(inner) { for one in types.all { value(one, depth: depth + 1, start) } }
    case .array(let element):
      pad(4, from: start)
      let place = bytes.count
      put(0 as UInt32)
      pad(element.alignment, from: start)
      let first = bytes.count
      for _ in 0..<(depth > 6 ? 0 : generator.below(4)) { value(element, depth: depth + 1, start) }
      set(UInt32(bytes.count - first), at: place)
    case .group(let members):
      pad(8, from: start)
      for one in members { value(one, depth: depth + 1, start) }
    }
  }

  private mutating func mutate() {
    for _ in 0..<(1 + generator.below(3)) {
      guard !bytes.isEmpty else { return }
      let place = generator.oneIn(3) ? generator.below(min(16, bytes.count)) : generator.below(bytes.count)
      switch generator.below(8) {
      case 0: bytes[place] ^= 1 << UInt8(generator.below(8))
      case 1: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
      case 2: bytes[place] = generator.pick([0, 1, 0x2E, 0x2F, 0x3A, 0x61, 0x73, 0x76, 0x7F, 0x80, 0xFF])
      case 3: bytes[place] = bytes[place] &+ (generator.oneIn(2) ? 1 : 0xFF)
      case 4:
        let word = place & ~3
        if word + 4 <= bytes.count { set(UInt32(generator.below(300)), at: word) }
      case 5:
        let word = place & ~3
        if word + 4 <= bytes.count {
          set(generator.pick([0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x0400_0000, 0x0400_0001, 0x0800_0000]), at: word)
        }
      case 6: bytes.swapAt(place, generator.below(bytes.count))
      default:
        // Changes what is after it too, so that lengths are wrong by one.
        if generator.oneIn(2) { bytes.insert(0, at: place) } else { bytes.remove(at: place) }
      }
    }
  }

  private mutating func text(_ text: String) {
    pad(4)
    put(UInt32(text.utf8.count))
    bytes += text.utf8
    bytes.append(0)
  }

  private mutating func put(_ value: UInt32) {
    bytes += [0, 0, 0, 0]
    set(value, at: bytes.count - 4)
  }

  private mutating func set(_ value: UInt32, at offset: Int) {
    for index in 0..<4 {
      bytes[offset + (isLittle ? index : 3 - index)] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index)))
    }
  }

  private mutating func pad(_ alignment: Int, from start: Int = 0) {
    while (bytes.count - start) % alignment != 0 { bytes.append(generator.oneIn(2000) ? 1 : 0) }
  }
}
