/* temperature-service: the example service com.pelagicore.TemperatureService, on GDBus.
 *
 * What it does: a temperature that can be read and set, that drifts by itself and says so in a signal; a log that is passed
 * as a file descriptor, and a method that reads one. With every TemperatureChanged it sends, first, a signal of another
 * interface of the same object, com.pelagicore.Maintenance.Tick: on one connection the bus keeps their order, so whoever
 * has received the n-th TemperatureChanged has been sent n Ticks.
 * What it does not do: know anything of a gate. Who calls it: contrib/demo/run and the end-to-end tests.
 *
 * usage: temperature-service [--session|--system] [--interval MILLISECONDS]
 * Prints "acquired com.pelagicore.TemperatureService" once it can be called. SIGTERM and SIGINT end it with status 0;
 * it ends with status 1 if the bus goes away or the name is taken.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUS_NAME "com.pelagicore.TemperatureService"
#define OBJECT_PATH "/com/pelagicore/TemperatureService"
#define TEMPERATURE_INTERFACE "com.pelagicore.TemperatureService"
#define MAINTENANCE_INTERFACE "com.pelagicore.Maintenance"

/* Steps of a quarter degree are exact in binary, so that every client prints the same digits. */
#define DRIFT 0.25
#define COLDEST 16.0
#define WARMEST 26.0

/* Read at most so much of a descriptor that a caller passes; a log line, not a file. */
#define READ_FROM_MAX 4096

static const char introspection_xml[] =
    "<node>"
    "  <interface name='com.pelagicore.TemperatureService'>"
    "    <method name='Echo'><arg type='s' name='text' direction='in'/><arg type='s' name='same' direction='out'/></method>"
    "    <method name='GetTemperature'><arg type='d' name='celsius' direction='out'/></method>"
    "    <method name='SetTemperature'><arg type='d' name='celsius' direction='in'/></method>"
    "    <method name='OpenLog'>"
    "      <annotation name='org.gtk.GDBus.C.UnixFD' value='true'/>"
    "      <arg type='h' name='log' direction='out'/>"
    "    </method>"
    "    <method name='ReadFrom'>"
    "      <annotation name='org.gtk.GDBus.C.UnixFD' value='true'/>"
    "      <arg type='h' name='source' direction='in'/><arg type='s' name='text' direction='out'/>"
    "    </method>"
    "    <signal name='TemperatureChanged'><arg type='d' name='celsius'/></signal>"
    "  </interface>"
    "  <interface name='com.pelagicore.Maintenance'>"
    "    <signal name='Tick'><arg type='t' name='count'/></signal>"
    "  </interface>"
    "</node>";

typedef struct {
  GMainLoop *loop;
  GDBusConnection *connection;
  gdouble celsius;
  gdouble drift;
  guint64 ticks;
  int status;
} Service;

static void emit(Service *service, const char *interface, const char *member, GVariant *arguments) {
  g_autoptr(GError) error = NULL;
  if (!g_dbus_connection_emit_signal(service->connection, NULL, OBJECT_PATH, interface, member, arguments, &error))
    g_printerr("temperature-service: %s.%s: %s\n", interface, member, error->message);
}

static void announce(Service *service) {
  emit(service, MAINTENANCE_INTERFACE, "Tick", g_variant_new("(t)", ++service->ticks));
  emit(service, TEMPERATURE_INTERFACE, "TemperatureChanged", g_variant_new("(d)", service->celsius));
}

static gboolean drift(gpointer data) {
  Service *service = data;
  if (service->celsius >= WARMEST) service->drift = -DRIFT;
  if (service->celsius <= COLDEST) service->drift = DRIFT;
  service->celsius += service->drift;
  announce(service);
  return G_SOURCE_CONTINUE;
}

/* A sealed memfd with one line of text, positioned at its beginning: a file that its readers cannot change. */
static int open_log(Service *service, GError **error) {
  g_autofree char *line = g_strdup_printf("temperature log: %.2f degrees after %" G_GUINT64_FORMAT " ticks\n",
                                          service->celsius, service->ticks);
  size_t length = strlen(line);
  int fd = memfd_create("temperature-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd >= 0 && write(fd, line, length) == (ssize_t)length && lseek(fd, 0, SEEK_SET) == 0 &&
      fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
    return fd;
  int saved = errno;
  if (fd >= 0) close(fd);
  g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "the log cannot be made: %s", g_strerror(saved));
  return -1;
}

static void return_log(Service *service, GDBusMethodInvocation *invocation) {
  g_autoptr(GError) error = NULL;
  int fd = open_log(service, &error);
  if (fd < 0) {
    g_dbus_method_invocation_return_gerror(invocation, error);
    return;
  }
  g_autoptr(GUnixFDList) list = g_unix_fd_list_new_from_array(&fd, 1); /* owns fd from here */
  g_dbus_method_invocation_return_value_with_unix_fd_list(invocation, g_variant_new("(h)", 0), list);
}

typedef struct {
  GDBusMethodInvocation *invocation;
  GInputStream *stream;
  char text[READ_FROM_MAX + 1];
} Reading;

static void reading_done(GObject *source, GAsyncResult *result, gpointer data) {
  Reading *reading = data;
  g_autoptr(GError) error = NULL;
  gsize length = 0;
  if (g_input_stream_read_all_finish(G_INPUT_STREAM(source), result, &length, &error)) {
    g_autofree char *text = g_utf8_make_valid(reading->text, (gssize)length);
    g_dbus_method_invocation_return_value(reading->invocation, g_variant_new("(s)", text));
  } else {
    g_dbus_method_invocation_return_gerror(reading->invocation, error);
  }
  g_object_unref(reading->stream);
  g_free(reading);
}

/* Reads until the end or READ_FROM_MAX; asynchronously, so that a pipe that never ends keeps only its caller waiting. */
static void read_from(GVariant *arguments, GDBusMethodInvocation *invocation) {
  GUnixFDList *list = g_dbus_message_get_unix_fd_list(g_dbus_method_invocation_get_message(invocation));
  gint32 index = -1;
  g_variant_get(arguments, "(h)", &index);
  if (list == NULL || index < 0 || index >= g_unix_fd_list_get_length(list)) {
    g_dbus_method_invocation_return_error(invocation, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                                          "the message carries no descriptor %d", index);
    return;
  }
  g_autoptr(GError) error = NULL;
  int fd = g_unix_fd_list_get(list, index, &error); /* a duplicate of our own */
  if (fd < 0) {
    g_dbus_method_invocation_return_gerror(invocation, error);
    return;
  }
  Reading *reading = g_new0(Reading, 1);
  reading->invocation = invocation;
  reading->stream = g_unix_input_stream_new(fd, TRUE);
  g_input_stream_read_all_async(reading->stream, reading->text, READ_FROM_MAX, G_PRIORITY_DEFAULT, NULL, reading_done, reading);
}

static void method_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                        const char *method, GVariant *arguments, GDBusMethodInvocation *invocation, gpointer data) {
  (void)connection, (void)sender, (void)path, (void)interface;
  Service *service = data;
  if (g_str_equal(method, "Echo")) {
    const char *text;
    g_variant_get(arguments, "(&s)", &text);
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(s)", text));
  } else if (g_str_equal(method, "GetTemperature")) {
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(d)", service->celsius));
  } else if (g_str_equal(method, "SetTemperature")) {
    g_variant_get(arguments, "(d)", &service->celsius);
    g_dbus_method_invocation_return_value(invocation, NULL);
    announce(service);
  } else if (g_str_equal(method, "OpenLog")) {
    return_log(service, invocation);
  } else {
    g_assert(g_str_equal(method, "ReadFrom")); /* GDBus answers everything that the introspection data does not name */
    read_from(arguments, invocation);
  }
}

static gboolean stop(gpointer data) {
  Service *service = data;
  g_main_loop_quit(service->loop);
  return G_SOURCE_CONTINUE;
}

static void name_acquired(GDBusConnection *connection, const char *name, gpointer data) {
  (void)connection, (void)data;
  printf("acquired %s\n", name);
  fflush(stdout);
}

static void name_lost(GDBusConnection *connection, const char *name, gpointer data) {
  Service *service = data;
  g_printerr("temperature-service: %s: %s\n", name, connection ? "the name has another owner" : "the bus is away");
  service->status = 1;
  g_main_loop_quit(service->loop);
}

int main(int argc, char **argv) {
  gboolean system = FALSE, session = FALSE;
  int interval = 200;
  const GOptionEntry options[] = {
      {"session", 0, 0, G_OPTION_ARG_NONE, &session, "Offer the service on the session bus (default)", NULL},
      {"system", 0, 0, G_OPTION_ARG_NONE, &system, "Offer the service on the system bus", NULL},
      {"interval", 0, 0, G_OPTION_ARG_INT, &interval, "Drift so often; 0: only when set (default 200)", "MILLISECONDS"},
      {NULL, 0, 0, 0, NULL, NULL, NULL}};
  g_autoptr(GOptionContext) context = g_option_context_new("- an example service");
  g_autoptr(GError) error = NULL;
  g_option_context_add_main_entries(context, options, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1 || (system && session) || interval < 0) {
    g_printerr("temperature-service: %s\n", error ? error->message : "expected [--session|--system] [--interval MILLISECONDS]");
    return 64;
  }

  Service service = {.celsius = 20.0, .drift = DRIFT};
  g_autoptr(GMainLoop) loop = service.loop = g_main_loop_new(NULL, FALSE);
  g_autoptr(GDBusConnection) connection = service.connection =
      g_bus_get_sync(system ? G_BUS_TYPE_SYSTEM : G_BUS_TYPE_SESSION, NULL, &error);
  if (connection == NULL) {
    g_printerr("temperature-service: %s\n", error->message);
    return 1;
  }
  g_dbus_connection_set_exit_on_close(connection, FALSE); /* name_lost says so and sets the status */

  g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(introspection_xml, &error);
  g_assert_no_error(error);
  const GDBusInterfaceVTable methods = {.method_call = method_call};
  for (GDBusInterfaceInfo **interface = node->interfaces; *interface; interface++) {
    g_dbus_connection_register_object(connection, OBJECT_PATH, *interface, &methods, &service, NULL, &error);
    g_assert_no_error(error);
  }
  guint owner = g_bus_own_name_on_connection(connection, BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, name_acquired, name_lost,
                                             &service, NULL);
  if (interval > 0) g_timeout_add((guint)interval, drift, &service);
  g_unix_signal_add(SIGTERM, stop, &service);
  g_unix_signal_add(SIGINT, stop, &service);
  g_main_loop_run(loop);
  g_bus_unown_name(owner);
  return service.status;
}
