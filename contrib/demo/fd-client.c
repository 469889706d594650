/* fd-client: passes file descriptors to and from com.pelagicore.TemperatureService, which no command-line client does.
 *
 * usage: fd-client open-log          prints what can be read from the descriptor that OpenLog returns
 *        fd-client read-from TEXT    passes a pipe that holds TEXT to ReadFrom and prints what the service read from it
 *
 * It calls on the session bus, like any other client, and knows nothing of a gate. Status 1 and the error's text on
 * standard error if the call fails. Who calls it: contrib/demo/run, inside the container, and the end-to-end tests.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUS_NAME "com.pelagicore.TemperatureService"
#define OBJECT_PATH "/com/pelagicore/TemperatureService"
#define INTERFACE "com.pelagicore.TemperatureService"
#define TIMEOUT_MILLISECONDS 5000

static gboolean fail_with_errno(GError **error, const char *what) {
  int saved = errno;
  g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "%s: %s", what, g_strerror(saved));
  return FALSE;
}

static GVariant *call(GDBusConnection *bus, const char *method, GVariant *arguments, const char *reply_type, GUnixFDList *sent,
                      GUnixFDList **received, GError **error) {
  return g_dbus_connection_call_with_unix_fd_list_sync(bus, BUS_NAME, OBJECT_PATH, INTERFACE, method, arguments,
                                                       G_VARIANT_TYPE(reply_type), G_DBUS_CALL_FLAGS_NONE, TIMEOUT_MILLISECONDS,
                                                       sent, received, NULL, error);
}

static gboolean print_all_of(int fd, GError **error) {
  char buffer[4096];
  for (;;) {
    ssize_t count = read(fd, buffer, sizeof buffer);
    if (count == 0) return TRUE;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_with_errno(error, "reading the descriptor");
    if (write(STDOUT_FILENO, buffer, (size_t)count) != count) return fail_with_errno(error, "writing");
  }
}

static gboolean open_log(GDBusConnection *bus, GError **error) {
  g_autoptr(GUnixFDList) received = NULL;
  g_autoptr(GVariant) reply = call(bus, "OpenLog", NULL, "(h)", NULL, &received, error);
  if (reply == NULL) return FALSE;
  gint32 index = -1;
  g_variant_get(reply, "(h)", &index);
  if (received == NULL || index < 0 || index >= g_unix_fd_list_get_length(received)) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the reply names descriptor %d and carries %d", index,
                received ? g_unix_fd_list_get_length(received) : 0);
    return FALSE;
  }
  int fd = g_unix_fd_list_get(received, index, error);
  if (fd < 0) return FALSE;
  gboolean printed = print_all_of(fd, error);
  close(fd);
  return printed;
}

/* The pipe is full and its writing end closed before the call, so the service finds the text and then the end. */
static int pipe_that_holds(const char *text, GError **error) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) {
    fail_with_errno(error, "pipe2");
    return -1;
  }
  size_t length = strlen(text);
  if (fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0 || write(ends[1], text, length) != (ssize_t)length) {
    fail_with_errno(error, "filling the pipe");
    close(ends[0]);
    ends[0] = -1;
  }
  close(ends[1]);
  return ends[0];
}

static gboolean read_from(GDBusConnection *bus, const char *text, GError **error) {
  int fd = pipe_that_holds(text, error);
  if (fd < 0) return FALSE;
  g_autoptr(GUnixFDList) sent = g_unix_fd_list_new_from_array(&fd, 1); /* owns fd from here */
  g_autoptr(GVariant) reply = call(bus, "ReadFrom", g_variant_new("(h)", 0), "(s)", sent, NULL, error);
  if (reply == NULL) return FALSE;
  const char *read;
  g_variant_get(reply, "(&s)", &read);
  return puts(read) >= 0 ? TRUE : fail_with_errno(error, "writing"); /* g_print would convert to the locale's charset */
}

int main(int argc, char **argv) {
  gboolean opens = argc == 2 && g_str_equal(argv[1], "open-log");
  gboolean reads = argc == 3 && g_str_equal(argv[1], "read-from");
  if (!opens && !reads) {
    g_printerr("usage: fd-client open-log | fd-client read-from TEXT\n");
    return 64;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, &error);
  if (bus != NULL && (opens ? open_log(bus, &error) : read_from(bus, argv[2], &error))) return 0;
  g_printerr("fd-client: %s\n", error->message);
  return 1;
}
