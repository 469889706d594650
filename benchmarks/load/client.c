#include "client.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STALL_PATIENCE_MS 500
#define STALL_BODY_BYTES 65536

static void send_all(struct client *c, const void *p, size_t n)
{
	while (n) {
		ssize_t r = send(c->fd, p, n, MSG_NOSIGNAL);
		if (r < 0)
			die("cannot send to the proxy: %s", strerror(errno));
		p = (const uint8_t *)p + r;
		n -= (size_t)r;
	}
}

void client_receive(struct client *c)
{
	ssize_t n = input_receive(&c->input, c->fd, 0);
	if (n <= 0)
		die("the proxy closed the connection: %s", n ? strerror(errno) : "end of file");
}

bool client_take(struct client *c, struct message *m)
{
	struct input *in = &c->input;
	size_t bytes;
	while ((bytes = message_read(in->bytes + in->start, in->length - in->start, m))) {
		in->start += bytes;
		if (m->type != SIGNAL || !equal(m->field[SENDER], text(DRIVER_NAME)))
			return true;
	}
	return false;
}

static void converse(struct client *c, const char *line, size_t bytes, const char *expected)
{
	struct input *in = &c->input;
	send_all(c, line, bytes);
	const uint8_t *end;
	while (!(end = memmem(in->bytes, in->length, "\r\n", 2)))
		client_receive(c);
	if (in->length < strlen(expected) || memcmp(in->bytes, expected, strlen(expected)))
		die("expected %s, received %.*s", expected, (int)(end - in->bytes), (char *)in->bytes);
	in->length = 0;
}

static void authenticate(struct client *c)
{
	char uid[16], auth[64] = "";             /* starts with the NUL byte */
	int at = 1 + sprintf(auth + 1, "AUTH EXTERNAL ");
	sprintf(uid, "%u", geteuid());
	for (char *digit = uid; *digit; digit++)
		at += sprintf(auth + at, "%02x", *digit);
	at += sprintf(auth + at, "\r\n");
	converse(c, auth, (size_t)at, "OK ");
	converse(c, "NEGOTIATE_UNIX_FD\r\n", 19, "AGREE_UNIX_FD");
	send_all(c, "BEGIN\r\n", 7);
}

size_t client_call_header(uint8_t *p, uint32_t serial, const struct call *call, size_t body_bytes)
{
	struct header h = header_begin(p, METHOD_CALL, call->flags, serial);
	header_text(&h, PATH, 'o', text(call->path));
	header_text(&h, INTERFACE, 's', text(call->interface));
	header_text(&h, MEMBER, 's', text(call->member));
	header_text(&h, DESTINATION, 's', text(call->destination ? call->destination : SERVICE_NAME));
	if (body_bytes)
		header_text(&h, SIGNATURE, 'g', text(call->signature));
	if (call->descriptors)
		header_number(&h, UNIX_FDS, call->descriptors);
	return header_end(&h, body_bytes);
}

void client_send(struct client *c, const struct call *call, const void *body, size_t body_bytes)
{
	uint8_t message[2 * CALL_HEADER_BYTES_MAX];
	size_t header_bytes = client_call_header(message, ++c->serial, call, body_bytes);
	if (body_bytes)
		memcpy(message + header_bytes, body, body_bytes);
	send_all(c, message, header_bytes + body_bytes);
}

struct message client_answer(struct client *c, uint8_t type)
{
	struct message m;
	while (!client_take(c, &m))
		client_receive(c);
	if (m.type != type || m.reply_serial != c->serial)
		die("expected a message of type %u for serial %u, received type %u for %u (%.*s)", type,
		    c->serial, m.type, m.reply_serial, (int)m.field[ERROR_NAME].length, m.field[ERROR_NAME].bytes);
	return m;
}

static struct message call_driver(struct client *c, const char *member, const char *signature, const void *body, size_t bytes)
{
	client_send(c, &(struct call){ .destination = DRIVER_NAME, .path = DRIVER_PATH, .interface = DRIVER_NAME,
		.member = member, .signature = signature }, body, bytes);
	return client_answer(c, METHOD_RETURN);
}

struct client *client_connect(const char *path)
{
	struct client *c = calloc(1, sizeof *c);
	if (!c)
		die("out of memory");
	c->input = input_new();
	c->fd = unix_socket(path, connect);
	authenticate(c);
	struct message m = call_driver(c, "Hello", "", NULL, 0);
	struct text name = get_string(&m);
	if (!equal(m.field[SENDER], text(DRIVER_NAME)) || !equal(m.field[DESTINATION], name) ||
	    name.length >= sizeof c->name)
		die("an answer to Hello that no bus gives");
	memcpy(c->name, name.bytes, name.length);
	return c;
}

void client_close(struct client *c)
{
	close(c->fd);
	input_free(&c->input);
	free(c);
}

void client_own_name(struct client *c, const char *name)
{
	uint8_t body[128];
	size_t bytes = put_string(body, text(name));
	for (; bytes % 4; bytes++)
		body[bytes] = 0;
	put32(body + bytes, 4);                  /* DBUS_NAME_FLAG_DO_NOT_QUEUE */
	struct message m = call_driver(c, "RequestName", "su", body, bytes + 4);
	if (m.body_bytes != 4 || get32(m.body) != 1)
		die("%s has an owner already", name);
}

void client_add_match(struct client *c, const char *rule)
{
	uint8_t body[128];
	call_driver(c, "AddMatch", "s", body, put_string(body, text(rule)));
}

void client_expect_denial(struct client *c)
{
	client_send(c, &(struct call){ .destination = "com.example.Denied", .path = "/com/example/Denied",
		.interface = "com.example.Denied", .member = "Call" }, NULL, 0);
	client_answer(c, ERROR);
}

static struct call service_call(const char *member, const char *signature, uint8_t flags)
{
	return (struct call){ .path = SERVICE_PATH, .interface = SERVICE_NAME, .member = member,
		.signature = signature, .flags = flags };
}

void client_stall(struct client *c, uint32_t mebibytes)
{
	struct call flood = service_call("Flood", "u", NO_REPLY_EXPECTED);
	client_add_match(c, "type='signal',interface='" SERVICE_NAME "'");
	client_send(c, &flood, &mebibytes, sizeof mebibytes);
}

uint64_t client_stall_service(struct client *c, uint32_t mebibytes)
{
	struct call ignore = service_call("Ignore", "", 0), unread = service_call("Unread", "ay", NO_REPLY_EXPECTED);
	static uint8_t message[CALL_HEADER_BYTES_MAX + STALL_BODY_BYTES];
	uint64_t taken = 0;

	client_send(c, &ignore, NULL, 0);
	client_answer(c, METHOD_RETURN);
	size_t at = 0, header_bytes = client_call_header(message, ++c->serial, &unread, STALL_BODY_BYTES);
	put32(message + header_bytes, STALL_BODY_BYTES - 4);
	while (taken < (uint64_t)mebibytes << 20) {
		struct pollfd room = { .fd = c->fd, .events = POLLOUT };
		if (poll(&room, 1, STALL_PATIENCE_MS) <= 0)
			break;
		ssize_t n = send(c->fd, message + at, header_bytes + STALL_BODY_BYTES - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			die("cannot send to the proxy: %s", strerror(errno));
		at += n > 0 ? (size_t)n : 0;
		taken += n > 0 ? (uint64_t)n : 0;
		if (at == header_bytes + STALL_BODY_BYTES) {
			put32(message + 8, ++c->serial);
			at = 0;
		}
	}
	return taken;
}
