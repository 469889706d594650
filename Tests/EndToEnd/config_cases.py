"""What each example in configs/ must let through, and what it must not: a table, without any code that runs it.

CASES[name] belongs to configs/<name>.json. A case is (direction, type, interface, path, member, verdict): "outgoing" goes
from the container to the bus, "incoming" from the bus to the container; type is "method_call" or "signal"; verdict is
"allow" or "deny". The messages carry no descriptor, expect a reply if they are calls, and are addressed to a peer, not to
the bus itself: what the bus is asked is not decided by these rules. Every case belongs to the bus that BUS[name] names;
on the other bus the same example denies everything. DESCRIPTORS adds calls that carry descriptors.

For each rule there is a case that needs it, and beside it the nearest thing that must not pass.
"""

ALLOW, DENY = "allow", "deny"

BUS = {
    "temperature": "session",
    "notifications": "session",
    "bluez": "system",
    "avahi": "system",
    "systemd-read-only": "system",
}

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PEER = "org.freedesktop.DBus.Peer"
PROPERTIES = "org.freedesktop.DBus.Properties"

TEMPERATURE = "com.pelagicore.TemperatureService"
TEMPERATURE_PATH = "/com/pelagicore/TemperatureService"

NOTIFICATIONS = "org.freedesktop.Notifications"
NOTIFICATIONS_PATH = "/org/freedesktop/Notifications"

HCI = "/org/bluez/hci0"
DEVICE = HCI + "/dev_00_11_22_33_44_55"
CHARACTERISTIC = DEVICE + "/service000a/char000b"
DESCRIPTOR = CHARACTERISTIC + "/desc000d"

AVAHI = "org.freedesktop.Avahi"

SYSTEMD = "org.freedesktop.systemd1"
SYSTEMD_PATH = "/org/freedesktop/systemd1"
UNIT_PATH = SYSTEMD_PATH + "/unit/ssh_2eservice"


def outgoing_call(interface, path, member, verdict):
    return ("outgoing", "method_call", interface, path, member, verdict)


def outgoing_signal(interface, path, member, verdict):
    return ("outgoing", "signal", interface, path, member, verdict)


def incoming_call(interface, path, member, verdict):
    return ("incoming", "method_call", interface, path, member, verdict)


def incoming_signal(interface, path, member, verdict):
    return ("incoming", "signal", interface, path, member, verdict)


CASES = {
    "temperature": [
        outgoing_call(TEMPERATURE, TEMPERATURE_PATH, "Echo", ALLOW),
        outgoing_call(TEMPERATURE, TEMPERATURE_PATH, "GetTemperature", ALLOW),
        outgoing_call(TEMPERATURE, TEMPERATURE_PATH, "OpenLog", ALLOW),
        outgoing_call(TEMPERATURE, TEMPERATURE_PATH, "ReadFrom", ALLOW),
        outgoing_call(INTROSPECTABLE, TEMPERATURE_PATH, "Introspect", ALLOW),
        incoming_signal(TEMPERATURE, TEMPERATURE_PATH, "TemperatureChanged", ALLOW),
        # the method that changes something, and neighbours of what is allowed
        outgoing_call(TEMPERATURE, TEMPERATURE_PATH, "SetTemperature", DENY),
        outgoing_call(TEMPERATURE, TEMPERATURE_PATH, "GetTemperature2", DENY),
        outgoing_call(TEMPERATURE, TEMPERATURE_PATH, "getTemperature", DENY),
        outgoing_call(TEMPERATURE, TEMPERATURE_PATH + "/Sub", "GetTemperature", DENY),
        outgoing_call(TEMPERATURE, "/", "GetTemperature", DENY),
        outgoing_call(TEMPERATURE + "2", TEMPERATURE_PATH, "GetTemperature", DENY),
        outgoing_call(PROPERTIES, TEMPERATURE_PATH, "GetAll", DENY),
        outgoing_call(PEER, TEMPERATURE_PATH, "Ping", DENY),
        outgoing_call(INTROSPECTABLE, "/", "Introspect", DENY),
        # the right names in the wrong direction, or as the wrong type
        outgoing_signal(TEMPERATURE, TEMPERATURE_PATH, "TemperatureChanged", DENY),
        outgoing_signal(TEMPERATURE, TEMPERATURE_PATH, "GetTemperature", DENY),
        incoming_call(TEMPERATURE, TEMPERATURE_PATH, "GetTemperature", DENY),
        incoming_call(TEMPERATURE, TEMPERATURE_PATH, "TemperatureChanged", DENY),
        # what else the service sends
        incoming_signal("com.pelagicore.Maintenance", TEMPERATURE_PATH, "Tick", DENY),
        incoming_signal(PROPERTIES, TEMPERATURE_PATH, "PropertiesChanged", DENY),
        incoming_signal(TEMPERATURE, "/com/pelagicore/Other", "TemperatureChanged", DENY),
    ],
    "notifications": [
        outgoing_call(NOTIFICATIONS, NOTIFICATIONS_PATH, "Notify", ALLOW),
        outgoing_call(NOTIFICATIONS, NOTIFICATIONS_PATH, "CloseNotification", ALLOW),
        outgoing_call(NOTIFICATIONS, NOTIFICATIONS_PATH, "GetCapabilities", ALLOW),
        outgoing_call(NOTIFICATIONS, NOTIFICATIONS_PATH, "GetServerInformation", ALLOW),
        incoming_signal(NOTIFICATIONS, NOTIFICATIONS_PATH, "NotificationClosed", ALLOW),
        incoming_signal(NOTIFICATIONS, NOTIFICATIONS_PATH, "ActionInvoked", ALLOW),
        # extensions of some servers
        outgoing_call(NOTIFICATIONS, NOTIFICATIONS_PATH, "Inhibit", DENY),
        outgoing_call(NOTIFICATIONS, NOTIFICATIONS_PATH, "UnInhibit", DENY),
        incoming_signal(NOTIFICATIONS, NOTIFICATIONS_PATH, "ActivationToken", DENY),
        incoming_signal(NOTIFICATIONS, NOTIFICATIONS_PATH, "NotificationReplied", DENY),
        outgoing_call(PROPERTIES, NOTIFICATIONS_PATH, "Get", DENY),
        outgoing_call("org.gtk.Notifications", "/org/gtk/Notifications", "AddNotification", DENY),
        outgoing_call("org.kde.NotificationManager", NOTIFICATIONS_PATH, "RegisterWatcher", DENY),
        outgoing_call(NOTIFICATIONS, "/org/freedesktop/Notification", "Notify", DENY),
        # the container is no notification server
        incoming_call(NOTIFICATIONS, NOTIFICATIONS_PATH, "Notify", DENY),
        outgoing_signal(NOTIFICATIONS, NOTIFICATIONS_PATH, "ActionInvoked", DENY),
    ],
    "bluez": [
        outgoing_call(OBJECT_MANAGER, "/", "GetManagedObjects", ALLOW),
        incoming_signal(OBJECT_MANAGER, "/", "InterfacesAdded", ALLOW),
        incoming_signal(OBJECT_MANAGER, "/", "InterfacesRemoved", ALLOW),
        outgoing_call(PROPERTIES, HCI, "GetAll", ALLOW),
        outgoing_call(PROPERTIES, DEVICE, "Get", ALLOW),
        incoming_signal(PROPERTIES, HCI, "PropertiesChanged", ALLOW),
        incoming_signal(PROPERTIES, CHARACTERISTIC, "PropertiesChanged", ALLOW),
        outgoing_call("org.bluez.Adapter1", HCI, "StartDiscovery", ALLOW),
        outgoing_call("org.bluez.Adapter1", HCI, "StopDiscovery", ALLOW),
        outgoing_call("org.bluez.Adapter1", "/org/bluez/hci12", "SetDiscoveryFilter", ALLOW),
        outgoing_call("org.bluez.Device1", DEVICE, "Connect", ALLOW),
        outgoing_call("org.bluez.Device1", DEVICE, "Disconnect", ALLOW),
        outgoing_call("org.bluez.GattCharacteristic1", CHARACTERISTIC, "ReadValue", ALLOW),
        outgoing_call("org.bluez.GattCharacteristic1", CHARACTERISTIC, "StartNotify", ALLOW),
        outgoing_call("org.bluez.GattDescriptor1", DESCRIPTOR, "ReadValue", ALLOW),
        # settings, pairing, agents, profiles, advertising
        outgoing_call(PROPERTIES, HCI, "Set", DENY),
        outgoing_call("org.bluez.Adapter1", HCI, "RemoveDevice", DENY),
        outgoing_call("org.bluez.Device1", DEVICE, "Pair", DENY),
        outgoing_call("org.bluez.Device1", DEVICE, "ConnectProfile", DENY),
        outgoing_call("org.bluez.Device1", HCI, "Connect", DENY),
        outgoing_call("org.bluez.AgentManager1", "/org/bluez", "RegisterAgent", DENY),
        outgoing_call("org.bluez.ProfileManager1", "/org/bluez", "RegisterProfile", DENY),
        outgoing_call("org.bluez.LEAdvertisingManager1", HCI, "RegisterAdvertisement", DENY),
        outgoing_call("org.bluez.GattManager1", HCI, "RegisterApplication", DENY),
        incoming_call("org.bluez.Agent1", "/agent", "RequestPinCode", DENY),
        incoming_call("org.bluez.Profile1", "/profile", "NewConnection", DENY),
        # values are read, not written, and no socket is handed out
        outgoing_call("org.bluez.GattCharacteristic1", CHARACTERISTIC, "WriteValue", DENY),
        outgoing_call("org.bluez.GattCharacteristic1", CHARACTERISTIC, "AcquireWrite", DENY),
        outgoing_call("org.bluez.GattCharacteristic1", CHARACTERISTIC, "AcquireNotify", DENY),
        outgoing_call("org.bluez.GattCharacteristic1", DEVICE, "ReadValue", DENY),
        # other objects of the same bus
        outgoing_call(OBJECT_MANAGER, "/org/freedesktop/UDisks2", "GetManagedObjects", DENY),
        outgoing_call(PROPERTIES, "/org/freedesktop/login1", "GetAll", DENY),
        outgoing_call(PROPERTIES, "/", "GetAll", DENY),
        incoming_signal(PROPERTIES, "/org/freedesktop/NetworkManager", "PropertiesChanged", DENY),
        incoming_signal(OBJECT_MANAGER, "/org/freedesktop/UDisks2", "InterfacesAdded", DENY),
    ],
    "avahi": [
        outgoing_call(PEER, "/", "Ping", ALLOW),
        outgoing_call(AVAHI + ".Server", "/", "GetAPIVersion", ALLOW),
        outgoing_call(AVAHI + ".Server", "/", "GetState", ALLOW),
        outgoing_call(AVAHI + ".Server", "/", "ServiceBrowserNew", ALLOW),
        outgoing_call(AVAHI + ".Server", "/", "ServiceTypeBrowserNew", ALLOW),
        outgoing_call(AVAHI + ".Server", "/", "DomainBrowserNew", ALLOW),
        outgoing_call(AVAHI + ".Server", "/", "ServiceResolverNew", ALLOW),
        outgoing_call(AVAHI + ".Server", "/", "ResolveHostName", ALLOW),
        outgoing_call(AVAHI + ".Server2", "/", "ServiceBrowserPrepare", ALLOW),
        incoming_signal(AVAHI + ".Server", "/", "StateChanged", ALLOW),
        outgoing_call(AVAHI + ".ServiceBrowser", "/Client1/ServiceBrowser1", "Start", ALLOW),
        outgoing_call(AVAHI + ".ServiceBrowser", "/Client1/ServiceBrowser1", "Free", ALLOW),
        incoming_signal(AVAHI + ".ServiceBrowser", "/Client1/ServiceBrowser1", "ItemNew", ALLOW),
        incoming_signal(AVAHI + ".ServiceBrowser", "/Client12/ServiceBrowser34", "ItemRemove", ALLOW),
        incoming_signal(AVAHI + ".ServiceBrowser", "/Client1/ServiceBrowser1", "AllForNow", ALLOW),
        incoming_signal(AVAHI + ".ServiceTypeBrowser", "/Client1/ServiceTypeBrowser2", "ItemNew", ALLOW),
        incoming_signal(AVAHI + ".DomainBrowser", "/Client1/DomainBrowser1", "ItemNew", ALLOW),
        outgoing_call(AVAHI + ".ServiceTypeBrowser", "/Client1/ServiceTypeBrowser2", "Free", ALLOW),
        outgoing_call(AVAHI + ".DomainBrowser", "/Client1/DomainBrowser1", "Start", ALLOW),
        outgoing_call(AVAHI + ".ServiceResolver", "/Client1/ServiceResolver2", "Free", ALLOW),
        outgoing_call(AVAHI + ".HostNameResolver", "/Client2/HostNameResolver1", "Free", ALLOW),
        outgoing_call(AVAHI + ".AddressResolver", "/Client2/AddressResolver1", "Start", ALLOW),
        incoming_signal(AVAHI + ".ServiceResolver", "/Client1/ServiceResolver2", "Found", ALLOW),
        incoming_signal(AVAHI + ".HostNameResolver", "/Client2/HostNameResolver1", "Found", ALLOW),
        incoming_signal(AVAHI + ".AddressResolver", "/Client2/AddressResolver1", "Failure", ALLOW),
        # publishing
        outgoing_call(AVAHI + ".Server", "/", "EntryGroupNew", DENY),
        outgoing_call(AVAHI + ".Server2", "/", "EntryGroupNew", DENY),
        outgoing_call(AVAHI + ".EntryGroup", "/Client1/EntryGroup1", "AddService", DENY),
        outgoing_call(AVAHI + ".EntryGroup", "/Client1/EntryGroup1", "Commit", DENY),
        outgoing_call(AVAHI + ".Server", "/", "SetHostName", DENY),
        incoming_signal(AVAHI + ".EntryGroup", "/Client1/EntryGroup1", "StateChanged", DENY),
        # raw DNS records
        outgoing_call(AVAHI + ".Server", "/", "RecordBrowserNew", DENY),
        outgoing_call(AVAHI + ".Server2", "/", "RecordBrowserPrepare", DENY),
        incoming_signal(AVAHI + ".RecordBrowser", "/Client1/RecordBrowser1", "ItemNew", DENY),
        # right member, wrong object or interface
        outgoing_call(AVAHI + ".Server", "/Client1", "ServiceBrowserNew", DENY),
        outgoing_call(AVAHI + ".ServiceBrowser", "/Client1/EntryGroup1", "Free", DENY),
        outgoing_call(PROPERTIES, "/", "GetAll", DENY),
        outgoing_call(PEER, "/Client1", "Ping", DENY),
        outgoing_call(PEER, "/", "GetMachineId", DENY),
        incoming_call(AVAHI + ".Server", "/", "GetState", DENY),
        outgoing_signal(AVAHI + ".ServiceBrowser", "/Client1/ServiceBrowser1", "ItemNew", DENY),
    ],
    "systemd-read-only": [
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "ListUnits", ALLOW),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "ListUnitsByPatterns", ALLOW),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "GetUnit", ALLOW),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "ListUnitFiles", ALLOW),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "Subscribe", ALLOW),
        incoming_signal(SYSTEMD + ".Manager", SYSTEMD_PATH, "JobRemoved", ALLOW),
        incoming_signal(SYSTEMD + ".Manager", SYSTEMD_PATH, "UnitNew", ALLOW),
        outgoing_call(PROPERTIES, SYSTEMD_PATH, "Get", ALLOW),
        outgoing_call(PROPERTIES, UNIT_PATH, "Get", ALLOW),
        outgoing_call(PROPERTIES, UNIT_PATH, "GetAll", ALLOW),
        incoming_signal(PROPERTIES, UNIT_PATH, "PropertiesChanged", ALLOW),
        outgoing_call(INTROSPECTABLE, SYSTEMD_PATH, "Introspect", ALLOW),
        outgoing_call(INTROSPECTABLE, UNIT_PATH, "Introspect", ALLOW),
        # everything that changes something
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "StartUnit", DENY),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "StopUnit", DENY),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "StartTransientUnit", DENY),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "KillUnit", DENY),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "EnableUnitFiles", DENY),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "SetEnvironment", DENY),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "Reload", DENY),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "Reboot", DENY),
        outgoing_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "DumpByFileDescriptor", DENY),
        outgoing_call(SYSTEMD + ".Unit", UNIT_PATH, "Start", DENY),
        outgoing_call(SYSTEMD + ".Unit", UNIT_PATH, "SetProperties", DENY),
        outgoing_call(SYSTEMD + ".Service", UNIT_PATH, "BindMount", DENY),
        outgoing_call(PROPERTIES, SYSTEMD_PATH, "Set", DENY),
        outgoing_call(PROPERTIES, UNIT_PATH, "Set", DENY),
        # other objects, a sibling whose name only begins alike, and other services of the same host
        outgoing_call(SYSTEMD + ".Manager", UNIT_PATH, "ListUnits", DENY),
        outgoing_call(PROPERTIES, "/org/freedesktop/systemd10", "Get", DENY),
        outgoing_call(PROPERTIES, "/org/freedesktop/login1", "Get", DENY),
        outgoing_call("org.freedesktop.login1.Manager", "/org/freedesktop/login1", "PowerOff", DENY),
        incoming_signal("org.freedesktop.login1.Manager", "/org/freedesktop/login1", "SessionNew", DENY),
        incoming_signal(PROPERTIES, SYSTEMD_PATH, "PropertiesChanged", DENY),
        incoming_call(SYSTEMD + ".Manager", SYSTEMD_PATH, "ListUnits", DENY),
    ],
}

# Calls that carry descriptors: (interface, path, member, descriptors, verdict), all outgoing.
DESCRIPTORS = {
    "temperature": [
        (TEMPERATURE, TEMPERATURE_PATH, "ReadFrom", 1, ALLOW),
        (TEMPERATURE, TEMPERATURE_PATH, "ReadFrom", 2, DENY),
        (TEMPERATURE, TEMPERATURE_PATH, "Echo", 1, DENY),
    ],
    "notifications": [
        (NOTIFICATIONS, NOTIFICATIONS_PATH, "Notify", 1, DENY),
    ],
    "bluez": [
        ("org.bluez.Adapter1", HCI, "StartDiscovery", 1, DENY),
    ],
    "avahi": [
        (AVAHI + ".Server", "/", "ServiceBrowserNew", 1, DENY),
    ],
    "systemd-read-only": [
        (SYSTEMD + ".Manager", SYSTEMD_PATH, "ListUnits", 1, DENY),
    ],
}
