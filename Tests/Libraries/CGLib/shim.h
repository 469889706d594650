/* GLib and GDBus, the other implementation that most clients are, as an oracle of the tests. */
#include <gio/gio.h>
