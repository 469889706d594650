"""The client libraries that people use, each behind the same few verbs: call, listen, pass descriptors.

GDBus and libdbus by their Python bindings, sd-bus by ctypes: its header is in a package of its own, its library on every Debian.
"""

import ctypes
import os
import threading
import time

import dbus
import dbus.bus
import dbus.mainloop.glib
import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

from harness import PATIENCE  # noqa: E402

SERVICE = "com.pelagicore.TemperatureService"
SERVICE_PATH = "/com/pelagicore/TemperatureService"
MAINTENANCE = "com.pelagicore.Maintenance"
PROPERTIES = "org.freedesktop.DBus.Properties"


class Refused(Exception):
    """A call was answered with an error: its name and its text."""

    def __init__(self, name, text):
        super().__init__(name, text)
        self.error = (name, text)


def iterate_until(condition):
    """Runs GLib's main loop until the condition holds; wakes by events, and once at the end of our patience."""
    context = GLib.MainContext.default()
    deadline = time.monotonic() + PATIENCE
    alarm = GLib.timeout_source_new(int(PATIENCE * 1000) + 1)
    alarm.set_callback(lambda *_: True)
    alarm.attach(context)
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        context.iteration(True)
    alarm.destroy()


class GDBus:
    def __init__(self, address):
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        self.connection = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
        self.name = self.connection.get_unique_name()

    def close(self):
        self.connection.close_sync(None)

    def call(self, destination, path, interface, member, signature="", *values):
        body = GLib.Variant(f"({signature})", values) if signature else None
        try:
            answer = self.connection.call_sync(
                destination, path, interface, member, body, None, Gio.DBusCallFlags.NONE, int(PATIENCE * 1000), None)
        except GLib.Error as error:
            raise refused_by_gdbus(error)
        return answer.unpack()[0] if answer.n_children() else None

    def listen(self, on_signal):
        for interface in (SERVICE, MAINTENANCE):
            self.connection.signal_subscribe(
                None, interface, None, None, None, Gio.DBusSignalFlags.NONE,
                lambda connection, sender, path, interface, member, body: on_signal(interface, member, *body.unpack()))
        # AddMatch is sent without waiting: what is asked after it is answered after it.
        self.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId")

    run_until = staticmethod(iterate_until)

    def open_log(self):
        _, descriptors = self._call_with_descriptors("OpenLog", None, None)
        return descriptors.get(0)

    def read_from(self, descriptor):
        sent = Gio.UnixFDList.new()
        sent.append(descriptor)
        answer, _ = self._call_with_descriptors("ReadFrom", GLib.Variant("(h)", (0,)), sent)
        return answer.unpack()[0]

    def _call_with_descriptors(self, member, body, sent):
        return self.connection.call_with_unix_fd_list_sync(
            SERVICE, SERVICE_PATH, SERVICE, member, body, None, Gio.DBusCallFlags.NONE, int(PATIENCE * 1000), sent, None)


def refused_by_gdbus(error):
    name = Gio.DBusError.get_remote_error(error)
    return Refused(name, error.message.removeprefix(f"GDBus.Error:{name}: "))


class LibDBus:
    def __init__(self, address):
        self.connection = dbus.bus.BusConnection(address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
        self.connection.set_exit_on_disconnect(False)
        self.name = self.connection.get_unique_name()

    def close(self):
        self.connection.close()

    def call(self, destination, path, interface, member, signature="", *values):
        try:
            return self.connection.call_blocking(destination, path, interface, member, signature, values, timeout=PATIENCE)
        except dbus.DBusException as error:
            raise Refused(error.get_dbus_name(), error.get_dbus_message())

    def listen(self, on_signal):
        for interface in (SERVICE, MAINTENANCE):
            self.connection.add_signal_receiver(
                lambda *values, interface, member: on_signal(interface, member, *values), dbus_interface=interface,
                interface_keyword="interface", member_keyword="member")
        self.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId")

    run_until = staticmethod(iterate_until)

    def open_log(self):
        return self.call(SERVICE, SERVICE_PATH, SERVICE, "OpenLog").take()

    def read_from(self, descriptor):
        return self.call(SERVICE, SERVICE_PATH, SERVICE, "ReadFrom", "h", dbus.types.UnixFd(descriptor))


class SDBus:
    """sd-bus: it sends its whole handshake, and Hello, in one write, without waiting for an answer."""

    class Error(ctypes.Structure):
        _fields_ = [("name", ctypes.c_char_p), ("message", ctypes.c_char_p), ("need_free", ctypes.c_int)]

    HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    TYPES = {"s": ctypes.c_char_p, "d": ctypes.c_double, "t": ctypes.c_uint64, "h": ctypes.c_int, "u": ctypes.c_uint32, "b": ctypes.c_int}

    def __init__(self, address):
        self.library = ctypes.CDLL("libsystemd.so.0")
        self.library.sd_bus_message_get_interface.restype = ctypes.c_char_p
        self.library.sd_bus_message_get_member.restype = ctypes.c_char_p
        self.bus = ctypes.c_void_p()
        self._do("sd_bus_new", ctypes.byref(self.bus))
        self._do("sd_bus_set_address", self.bus, address.encode())
        self._do("sd_bus_set_bus_client", self.bus, 1)
        self._do("sd_bus_negotiate_fds", self.bus, 1)
        self._do("sd_bus_start", self.bus)
        name = ctypes.c_char_p()
        self._do("sd_bus_get_unique_name", self.bus, ctypes.byref(name))
        self.name = name.value.decode()
        self._keep = []

    def _do(self, function, *arguments):
        result = getattr(self.library, function)(*arguments)
        if result < 0:
            raise OSError(-result, function)
        return result

    def close(self):
        self.library.sd_bus_flush_close_unref.restype = ctypes.c_void_p
        self.library.sd_bus_flush_close_unref(self.bus)

    def call(self, destination, path, interface, member, signature="", *values, reads=None):
        error, reply = self.Error(), ctypes.c_void_p()
        words = [self.TYPES[kind](value.encode() if kind == "s" else value) for kind, value in zip(signature, values)]
        result = self.library.sd_bus_call_method(
            self.bus, destination.encode(), path.encode(), interface.encode() if interface else None, member.encode(),
            ctypes.byref(error), ctypes.byref(reply), signature.encode(), *words)
        if result < 0:
            assert error.name, OSError(-result, "sd_bus_call_method")
            raise Refused(error.name.decode(), error.message.decode())
        kind = ctypes.c_char()
        if self._do("sd_bus_message_peek_type", reply, ctypes.byref(kind), None) == 0 or kind.value.decode() not in self.TYPES:
            return None
        return self._read(reply, kind.value.decode())

    def _read(self, message, kind):
        value = self.TYPES[kind]()
        self._do("sd_bus_message_read_basic", message, ctypes.c_char(kind.encode()), ctypes.byref(value))
        if kind == "h":
            return os.dup(value.value)
        return value.value.decode() if kind == "s" else value.value

    def listen(self, on_signal):
        def handle(message, data, error):
            interface = self.library.sd_bus_message_get_interface(ctypes.c_void_p(message)).decode()
            member = self.library.sd_bus_message_get_member(ctypes.c_void_p(message)).decode()
            on_signal(interface, member, self._read(ctypes.c_void_p(message), "d" if interface == SERVICE else "t"))
            return 0

        handler = self.HANDLER(handle)
        self._keep.append(handler)
        for interface in (SERVICE, MAINTENANCE):
            self._do("sd_bus_match_signal", self.bus, None, None, None, interface.encode(), None, handler, None)

    def run_until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it did not come about"
            if self._do("sd_bus_process", self.bus, None) == 0:
                self._do("sd_bus_wait", self.bus, ctypes.c_uint64(int(PATIENCE * 1_000_000)))

    def open_log(self):
        return self.call(SERVICE, SERVICE_PATH, SERVICE, "OpenLog")

    def read_from(self, descriptor):
        return self.call(SERVICE, SERVICE_PATH, SERVICE, "ReadFrom", "h", descriptor)


LIBRARIES = [GDBus, LibDBus, SDBus]


class GDBusService(threading.Thread):
    """A service on GDBus with one property, one method and one signal, on a thread of its own."""

    NAME = "com.example.Service"
    PATH = "/com/example/Service"
    XML = """<node><interface name='com.example.Service'>
      <property name='Level' type='u' access='readwrite'/>
      <method name='Double'><arg type='u' direction='in'/><arg type='u' direction='out'/></method>
      <method name='Secret'><arg type='s' direction='out'/></method>
      <signal name='Changed'><arg type='u'/></signal>
      <signal name='Leaked'><arg type='u'/></signal>
    </interface></node>"""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address = address
        self.calls = []
        self.level = 7
        self._context = GLib.MainContext.new()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._ready = threading.Event()
        self.start()
        assert self._ready.wait(PATIENCE), "the service did not get its name"

    def run(self):
        self._context.push_thread_default()
        self.client = GDBus(self.address)
        node = Gio.DBusNodeInfo.new_for_xml(self.XML)
        self.client.connection.register_object(self.PATH, node.interfaces[0], self._call, self._get, self._set)
        self.client.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su", self.NAME, 4)
        self._ready.set()
        self._loop.run()
        self._context.pop_thread_default()

    def stop(self):
        # From inside the loop: told to quit before it runs, it would run forever.
        quitting = GLib.idle_source_new()
        quitting.set_callback(lambda *_: self._loop.quit())
        quitting.attach(self._context)
        self.join()
        self.client.close()

    def emit(self, member, level):
        self.client.connection.emit_signal(None, self.PATH, self.NAME, member, GLib.Variant("(u)", (level,)))

    def _call(self, connection, sender, path, interface, method, body, invocation):
        self.calls.append(method)
        value = GLib.Variant("(u)", (2 * body.unpack()[0],)) if method == "Double" else GLib.Variant("(s)", ("secret",))
        invocation.return_value(value)

    def _get(self, connection, sender, path, interface, name):
        return GLib.Variant("u", self.level)

    def _set(self, connection, sender, path, interface, name, value):
        self.level = value.unpack()
        return True
