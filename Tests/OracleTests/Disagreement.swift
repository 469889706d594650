// Where busgate and another implementation differ, and stay different: what differs, and the sentence that decides. In each entry one of
// the two refuses, and for what a client says it is busgate in all but `localPrefix`: so nothing passes a gate that a bus would read in another way. A test
// that counts on an entry fails when that disagreement does not come up any more.

/// A known disagreement. Sentences in quotation marks are the specification's; the word in parentheses is the section.
enum Disagreement: String {
  // Names

  /// "Bus names must contain at least one '.' (period) character (and thus at least two elements)" (message-protocol-names-bus).
  case uniqueNameElements = "libdbus takes a unique name of one element or none, GLib too one that begins with a dot"
  /// "Must not exceed the maximum name length" (message-protocol-names-member), which is 255.
  case longMember = "GLib takes a member of more than 255 bytes"

  /// "The special path /org/freedesktop/DBus/Local is reserved" (message-protocol-header-fields), and so is the interface. libdbus
  /// compares as many bytes as those have, so that /org/freedesktop/DBus/Locale is reserved too: dbus-daemon closes the connection of a
  /// client who says so, behind a gate as without one.
  case localPrefix = "libdbus reserves every path and interface that begins with the local one"

  // Signatures

  /// "The maximum length of a signature is 255" (message-protocol-types).
  case longSignature = "GLib takes a signature of more than 255 bytes"

  /// "The maximum depth of container type nesting is 32 array type codes and 32 open parentheses" (message-protocol-types).
  /// libdbus counts only array codes that follow each other.
  case arraysInStructs = "libdbus counts arrays anew inside a struct"
  /// The same sentence. GVariant has its own, larger, bound.
  case deepSignature = "GLib takes deeper signatures"
  /// "Empty structures are not allowed; there must be at least one type code between the parentheses" (type-system).
  case emptyStruct = "GLib takes a struct of nothing"
  /// "A dict entry may occur only as an array element type" (type-system).
  case looseDictEntry = "GLib takes a dict entry outside of an array"

  // Addresses

  /// "A colon-separated list of key/value pairs" names each key once (addresses); which of two values counts is nowhere said.
  case repeatedAddressKey = "libdbus takes a key that is twice in an address"
  /// "The value of the key is the UUID of the server" (addresses), "represented as 32 hex digits" (uuids).
  case addressGUID = "libdbus and GDBus take a guid that is none"
  /// "Each %-encoded byte" stands for itself (addresses); but NUL ends a path for every system call, and libdbus cuts it off there.
  case addressNUL = "libdbus cuts a value off at its NUL"
  /// "An address begins with a transport name" (addresses). libdbus takes none, and any bytes.
  case addressTransport = "libdbus takes a transport that is no name"
  /// "The set of optionally-escaped bytes is [-0-9A-Za-z_/.\*]" (addresses); libdbus looks at values only.
  case addressKey = "libdbus takes any bytes as a key"
  /// The same sentence: "each byte which is not in the set of optionally-escaped bytes must be replaced" (addresses).
  case unescapedByte = "GDBus takes a byte that has to be escaped"
  /// "D-Bus addresses: one or more server addresses" (addresses). GDBus takes none for a list of them.
  case emptyAddress = "GDBus takes nothing for an address"

  /// "A list of key=value pairs" (addresses). libdbus, as busgate, refuses a key without a value; GDBus finds out when it connects.
  case emptyAddressValue = "GDBus takes a key without a value"
  /// Pairs are "comma-separated", addresses "separated by semicolons" (addresses); libdbus, as busgate, takes one behind the last too.
  case trailingSeparator = "GDBus refuses a comma or semicolon behind the last"

  // Match rules: what MatchRule says of itself

  /// "Argument N, where N is 0 to 63" (message-bus-routing-match-rules). dbus-daemon reads it as C does, dbus-broker doesn't.
  case argumentNumber = "a bus takes another spelling of an argument's number"
  /// "Outside of apostrophes a backslash followed by an apostrophe is an apostrophe, any other backslash is itself". dbus-daemon also
  /// lets the byte behind it pass unread, be it a comma.
  case backslash = "a bus takes a backslash before a comma or another"
  /// A key "has to be one of" the list. dbus-broker passes over a stray `=`, dbus-daemon ignores all that is behind it.
  case strayEquals = "a bus takes a stray ="
  /// Nowhere limited; dbus-daemon ignores what is behind the sixteenth, dbus-broker does not.
  case manyKeys = "a bus takes more than 16 keys"
  /// "eavesdrop" is a key (message-bus-routing-match-rules); dbus-broker has none and says so itself, which the client then reads.
  case noEavesdropKey = "dbus-broker does not know eavesdrop=false"

  /// "path_namespace" is a part of the rule as any key (message-bus-routing-match-rules). dbus-daemon does not compare it when a rule is
  /// to be removed: of rules that differ in nothing else it removes the last, through a gate as without one.
  case pathNamespaceNotCompared = "dbus-daemon removes a rule with another path_namespace"

  // Authentication

  /// "BEGIN" takes no argument (auth-command-begin): CVE-2018-6560.
  case beginWithArgument = "dbus-daemon begins at BEGIN with something behind it"
  /// "AUTH [mechanism] [initial-response]", separated by one space (auth-protocol); the response is hex-encoded.
  case laxAuth = "a bus authenticates by an AUTH or DATA that is not spelled as it has to be"
  /// ANONYMOUS is switched on here only by --allow-anonymous.
  case anonymous = "dbus-daemon says OK to ANONYMOUS, and closes at BEGIN"
}
