// The errors of a message bus that the gate answers with.

/// An error name.
///
/// Spec: "message-bus-messages"; dbus-protocol.h of libdbus.
enum DriverError {
  case accessDenied, limitsExceeded, invalidArgs, notSupported
  case matchRuleInvalid, matchRuleNotFound
  case serviceUnknown, nameHasNoOwner

  /// As it is written.
  var name: StaticString {
    switch self {
    case .accessDenied: "org.freedesktop.DBus.Error.AccessDenied"
    case .limitsExceeded: "org.freedesktop.DBus.Error.LimitsExceeded"
    case .invalidArgs: "org.freedesktop.DBus.Error.InvalidArgs"
    case .matchRuleInvalid: "org.freedesktop.DBus.Error.MatchRuleInvalid"
    case .matchRuleNotFound: "org.freedesktop.DBus.Error.MatchRuleNotFound"
    case .serviceUnknown: "org.freedesktop.DBus.Error.ServiceUnknown"
    case .nameHasNoOwner: "org.freedesktop.DBus.Error.NameHasNoOwner"
    case .notSupported: "org.freedesktop.DBus.Error.NotSupported"
    }
  }
}
