// Match rules as the buses read them. The texts about eavesdropping are what a client would try.

import DBusWire
import Testing

@Suite("match rules")
struct MatchRuleTests {
  private static func rule(_ text: String) throws(MatchRuleError) -> MatchRule {
    try MatchRule(parsing: Array(text.utf8).span.bytes)
  }
  private static func canonical(_ text: String) throws(MatchRuleError) -> String {
    String(decoding: try rule(text).canonicalText, as: UTF8.self)
  }
  private static func error(_ text: String) -> MatchRuleError? {
    do {
      _ = try rule(text)
      return nil
    } catch {
      return error
    }
  }

  @Test(
    "rules have one spelling",
    arguments: [
      ("", ""), ("   ", ""), ("type='signal'", "type='signal'"), ("type=signal", "type='signal'"),
      ("type=sig'na'l", "type='signal'"),
      ("type='signal',", "type='signal'"), ("type='signal', \t", "type='signal'"), (" \r\n\ttype \t='signal'", "type='signal'"),
      ("sender='org.a.b',type='error'", "sender='org.a.b',type='error'"),
      ("type='error',sender=org.a.b", "sender='org.a.b',type='error'"),
      ("path='/a',interface='a.b',member='C',destination=':1.2'", "destination=':1.2',interface='a.b',member='C',path='/a'"),
      ("path_namespace=/a/b", "path_namespace='/a/b'"), ("arg0=", "arg0=''"), ("arg0='',arg63=x", "arg0='',arg63='x'"),
      ("arg0='a,b'", "arg0='a,b'"), ("arg0=it\\'s", "arg0='it'\\''s'"), ("arg0='it'\\''s'", "arg0='it'\\''s'"),
      ("arg0=a\\b", "arg0='a\\b'"), ("arg0='a\\',arg1='\\\\'", "arg0='a\\',arg1='\\\\'"), ("arg0=a\\", "arg0='a\\'"),
      ("arg2path='/a/',arg10='x'", "arg10='x',arg2path='/a/'"), ("arg0namespace='com.example'", "arg0namespace='com.example'"),
      ("arg0namespace=com", "arg0namespace='com'"), ("arg0= a b ", "arg0=' a b '"), ("arg0==", "arg0='='"),
      ("eavesdrop=false,type=signal", "type='signal'"), ("eavesdrop='false',eavesdrop=false", ""),
      ("arg0='\u{E9}'", "arg0='\u{E9}'"),
    ])
  func canonical(text: String, expected: String) throws {
    #expect(try Self.canonical(text) == expected)
    // A rule is what its one spelling is, and that can be read again.
    #expect(try Self.canonical(expected) == expected)
    #expect(try !Self.rule(text).asksToEavesdrop)
  }

  @Test(
    "what is no rule, or two rules to two buses, is refused",
    arguments: [
      ("type", .noValue(0)), ("type='signal',member", .noValue(14)), (",", .noValue(0)),
      ("type='signal',,member=M", .unknownKey(14)),
      ("=", .noKey(0)), ("=type='signal'", .noKey(0)), ("type='signal',=,eavesdrop=true", .noKey(14)),
      ("type signal", .noValue(0)),
      ("type='signal", .openQuote(5)), ("arg0=a'b,c", .openQuote(6)), ("arg0='a'\\'',b=c", .openQuote(10)),
      ("type='Signal'", .value(5)), ("type=", .value(5)), ("type='signal' ", .value(5)), ("type= signal", .value(5)),
      ("Type='signal'", .unknownKey(0)), ("typ=signal", .unknownKey(0)), ("types=signal", .unknownKey(0)),
      ("foo='bar'", .unknownKey(0)),
      ("sender='a'", .value(7)), ("sender=''", .value(7)), ("destination='a..b'", .value(12)), ("interface='a'", .value(10)),
      ("member='a.b'", .value(7)), ("path='a'", .value(5)), ("path='/a/'", .value(5)), ("path_namespace='/a/'", .value(15)),
      ("arg0namespace=''", .value(14)), ("arg0namespace='a.'", .value(14)), ("arg0namespace='9'", .value(14)),
      ("type=signal,type=signal", .repeatedKey(12)), ("sender=a.b,sender=a.b", .repeatedKey(11)),
      ("path='/',path_namespace='/'", .repeatedKey(9)), ("arg1=a,arg1=a", .repeatedKey(7)),
      ("arg1=a,arg1path=a", .repeatedKey(7)),
      ("arg0namespace=a,arg0=a", .repeatedKey(16)), ("arg0path=a,arg0namespace=a", .repeatedKey(11)),
      ("arg64=a", .unknownKey(0)), ("arg=a", .unknownKey(0)), ("argpath=a", .unknownKey(0)), ("arg00=a", .unknownKey(0)),
      ("arg01=a", .unknownKey(0)), ("arg0x1=a", .unknownKey(0)), ("arg+1=a", .unknownKey(0)), ("arg-1=a", .unknownKey(0)),
      ("arg100=a", .unknownKey(0)), ("arg1namespace=a", .unknownKey(0)), ("arg1paths=a", .unknownKey(0)),
      ("arg4294967296=a", .unknownKey(0)),
      ("arg0=\\,type=signal", .ambiguousBackslash(5)), ("arg0=\\\\'a'", .ambiguousBackslash(5)), ("arg0=a\u{0}", .nul(6)),
      ("type\u{0}=signal", .nul(4)), ("type\u{B}=signal", .unknownKey(0)), ("\u{A0}type=signal", .unknownKey(0)),
    ] as [(String, MatchRuleError)])
  func refused(text: String, expected: MatchRuleError) { #expect(Self.error(text) == expected) }

  @Test(
    "a rule that asks to eavesdrop is seen in whatever spelling",
    arguments: [
      "eavesdrop=true", "eavesdrop='true'", "eavesdrop ='true'", "eavesdrop\t=true", "eavesdrop \r\n =true", " eavesdrop=true",
      "eavesdrop=t'ru'e", "eavesdrop=''true", "eavesdrop=true,", "eavesdrop=true,eavesdrop=false",
      "eavesdrop=false,eavesdrop=true",
      "type='signal',eavesdrop=true", "type='signal', eavesdrop ='true'",
      "arg0='a,b',eavesdrop=true", "arg0=\\',eavesdrop=true", "arg0='\\',eavesdrop=true", "eavesdrop=TRUE", "eavesdrop=1",
      "eavesdrop=",
      "eavesdrop=true ", "eavesdrop= false", "eavesdrop=\\'true\\'", "eavesdrop=false ", "eavesdrop='true',path_namespace='/'",
    ])
  func eavesdrop(text: String) throws {
    let rule = try Self.rule(text)
    #expect(rule.asksToEavesdrop)
    #expect(String(decoding: rule.canonicalText, as: UTF8.self).contains("eavesdrop='true'"))
  }

  @Test(
    "what only looks like eavesdropping is none",
    arguments: [
      "arg0=eavesdrop", "arg0='eavesdrop=true'", "arg0=',eavesdrop=true'", "arg0='a'\\'',eavesdrop=true'",
      "eavesdrop=false", "eavesdrop ='false'", "arg0='\\'',eavesdrop=true'",
    ])
  func noEavesdrop(text: String) throws { #expect(try !Self.rule(text).asksToEavesdrop) }

  @Test(
    "another key than eavesdrop is refused, however like it",
    arguments: [
      "EAVESDROP=true", "eavesdrop'='true'", "'eavesdrop'=true", "eavesdrop\u{0}=true", "eaves drop=true", "eavesdro=p",
      "\u{B}eavesdrop=true",
    ])
  func unlikeEavesdrop(text: String) { #expect(Self.error(text) != nil) }

  @Test("a rule has at most 1024 bytes and 16 keys")
  func limits() {
    for count in [1024, 1025] {
      let text = "arg0='" + String(repeating: "x", count: count - 7) + "'"
      #expect(Self.error(text) == (count == 1024 ? nil : .tooLong))
    }
    let keys = (0..<16).map { "arg\($0)=" }.joined(separator: ",")
    #expect(Self.error(keys) == nil)
    #expect(Self.error(keys + ",") == nil)
    #expect(Self.error(keys + ",eavesdrop=true") == .tooManyKeys(keys.utf8.count + 1))
  }

  @Test(
    "random texts are read or refused, and what is read is read the same from its one spelling", arguments: [6, 7] as [UInt64])
  func random(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let pieces = [
      "type", "arg0", "arg1", "arg1path", "eavesdrop", "path", "=", "=", "=", "'", "'", "\\", ",", ",", " ", "/a", "signal",
      "true", "false", "\t",
    ]
    var read = 0
    for _ in 0..<20_000 {
      var text = ""
      for _ in 0..<Int.random(in: 0...12, using: &generator) {
        text += pieces[Int.random(in: 0..<pieces.count, using: &generator)]
      }
      guard let rule = try? Self.rule(text) else { continue }
      read += 1
      let again = try MatchRule(parsing: rule.canonicalText.span.bytes)
      #expect(again == rule, "\(text)")
    }
    #expect(read > 100)
  }
}
