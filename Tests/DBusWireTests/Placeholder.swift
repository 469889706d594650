import Testing

@testable import DBusWire
