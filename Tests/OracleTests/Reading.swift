// One message, as one implementation reads it: what busgate decides on, and nothing else.

import CDBus
import CGLib
import DBusWire

/// What a gate looks at in a header. Two implementations that accept a message have the same one.
struct Reading: Equatable, CustomStringConvertible {
  var type = 0
  var flags = 0
  var serial: UInt32 = 0
  var replySerial: UInt32 = 0
  var path: [UInt8]?
  var interface: [UInt8]?
  var member: [UInt8]?
  var errorName: [UInt8]?
  var destination: [UInt8]?
  var sender: [UInt8]?
  var signature: [UInt8] = []

  /// Whether path or interface begin with the ones that are reserved.
  var isNearTheLocalOne: Bool {
    path?.starts(with: "/org/freedesktop/DBus/Local".utf8) == true
      || interface?.starts(with: "org.freedesktop.DBus.Local".utf8) == true
  }

  var description: String {
    let texts = [path, interface, member, errorName, destination, sender, signature].map { text in
      text.map { String(decoding: $0, as: UTF8.self) } ?? "-"
    }
    return "\(type) \(flags) \(serial) \(replySerial) \(texts.joined(separator: " "))"
  }
}

extension Reading {
  /// The flags that all of the implementations have words for.
  static let flagsInCommon: UInt8 = 7

  /// busgate's.
  init(_ header: MessageHeader, _ bytes: [UInt8]) {
    func text(_ range: ByteRange) -> [UInt8]? {
      range.isAbsent ? nil : Array(bytes[Int(range.offset)..<Int(range.offset + range.count)])
    }
    type = Int(header.frame.type.rawValue)
    flags = Int(header.frame.flags.rawValue & Self.flagsInCommon)
    serial = header.frame.serial
    replySerial = header.replySerial
    path = text(header.path)
    interface = text(header.interface)
    member = text(header.member)
    errorName = text(header.errorName)
    destination = text(header.destination)
    sender = text(header.sender)
    signature = text(header.signature) ?? []
  }

  private static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8]? {
    text.map { UnsafeRawBufferPointer(start: $0, count: strlen($0)).map { $0 } }
  }

  /// libdbus's; nil: it is no message. Bodies are validated there, too.
  init?(libdbus bytes: [UInt8]) {
    let read = bytes.withUnsafeBytes { dbus_message_demarshal($0.bindMemory(to: CChar.self).baseAddress, Int32($0.count), nil) }
    guard let message = read else { return nil }
    defer { dbus_message_unref(message) }
    type = Int(dbus_message_get_type(message))
    flags =
      (dbus_message_get_no_reply(message) != 0 ? 1 : 0) | (dbus_message_get_auto_start(message) != 0 ? 0 : 2)
      | (dbus_message_get_allow_interactive_authorization(message) != 0 ? 4 : 0)
    serial = dbus_message_get_serial(message)
    replySerial = dbus_message_get_reply_serial(message)
    path = Self.bytes(dbus_message_get_path(message))
    interface = Self.bytes(dbus_message_get_interface(message))
    member = Self.bytes(dbus_message_get_member(message))
    errorName = Self.bytes(dbus_message_get_error_name(message))
    destination = Self.bytes(dbus_message_get_destination(message))
    sender = Self.bytes(dbus_message_get_sender(message))
    signature = Self.bytes(dbus_message_get_signature(message)) ?? []
  }

  /// GDBus's; nil: it is no message. Bodies are validated there, too.
  init?(glib bytes: [UInt8]) {
    var copy = bytes
    guard let message = g_dbus_message_new_from_blob(&copy, gsize(copy.count), G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, nil)
    else {
      return nil
    }
    defer { g_object_unref(UnsafeMutableRawPointer(message)) }
    type = Int(g_dbus_message_get_message_type(message).rawValue)
    flags = Int(UInt8(truncatingIfNeeded: g_dbus_message_get_flags(message).rawValue) & Self.flagsInCommon)
    serial = g_dbus_message_get_serial(message)
    replySerial = g_dbus_message_get_reply_serial(message)
    path = Self.bytes(g_dbus_message_get_path(message))
    interface = Self.bytes(g_dbus_message_get_interface(message))
    member = Self.bytes(g_dbus_message_get_member(message))
    errorName = Self.bytes(g_dbus_message_get_error_name(message))
    destination = Self.bytes(g_dbus_message_get_destination(message))
    sender = Self.bytes(g_dbus_message_get_sender(message))
    signature = Self.bytes(g_dbus_message_get_signature(message)) ?? []
  }
}
