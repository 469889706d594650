/* libdbus, the reference implementation, as an oracle of the tests. */
#include <dbus/dbus.h>
