#include "client.h"
#include "wire.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INPUT_BYTES (1u << 20)
#define HEADER_BYTES_MAX 512

struct client {
	int fd;
	char name[32];
	uint32_t serial;                 /* of the last call */
	uint8_t *input;
	size_t start, length;            /* received and not yet worked off: input[start ..< length] */
};

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

static void receive(struct client *c)
{
	if (c->start) {
		memmove(c->input, c->input + c->start, c->length - c->start);
		c->length -= c->start;
		c->start = 0;
	}
	ssize_t n = recv(c->fd, c->input + c->length, INPUT_BYTES - c->length, 0);
	if (n <= 0)
		die("the proxy closed the connection: %s", n ? strerror(errno) : "end of file");
	c->length += (size_t)n;
}

/* Takes the next complete message that is no signal of the driver, without reading from the socket. */
static bool take(struct client *c, struct message *m)
{
	size_t bytes;
	while ((bytes = message_read(c->input + c->start, c->length - c->start, m))) {
		c->start += bytes;
		if (m->type != SIGNAL || !equal(m->field[SENDER], text(DRIVER_NAME)))
			return true;
	}
	return false;
}

static void converse(struct client *c, const char *line, size_t bytes, const char *expected)
{
	send_all(c, line, bytes);
	const uint8_t *end;
	while (!(end = memmem(c->input, c->length, "\r\n", 2)))
		receive(c);
	if (c->length < strlen(expected) || memcmp(c->input, expected, strlen(expected)))
		die("expected %s, received %.*s", expected, (int)(end - c->input), (char *)c->input);
	c->length = 0;
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

static size_t call_header(struct client *c, uint8_t *p, const char *destination, const char *path,
			  const char *member, const char *signature, size_t body_bytes)
{
	struct header h = header_begin(p, METHOD_CALL, 0, ++c->serial);
	header_text(&h, PATH, 'o', text(path));
	header_text(&h, INTERFACE, 's', text(destination));    /* all of ours are called as their names */
	header_text(&h, MEMBER, 's', text(member));
	header_text(&h, DESTINATION, 's', text(destination));
	if (body_bytes)
		header_text(&h, SIGNATURE, 'g', text(signature));
	return header_end(&h, body_bytes);
}

static void call(struct client *c, const char *destination, const char *path, const char *member,
		 const char *signature, const void *body, size_t body_bytes)
{
	uint8_t message[2 * HEADER_BYTES_MAX];
	size_t header_bytes = call_header(c, message, destination, path, member, signature, body_bytes);
	if (body_bytes)
		memcpy(message + header_bytes, body, body_bytes);
	send_all(c, message, header_bytes + body_bytes);
}

/* Blocks for the answer to the last call. */
static struct message answer(struct client *c, uint8_t type)
{
	struct message m;
	while (!take(c, &m))
		receive(c);
	if (m.type != type || m.reply_serial != c->serial)
		die("expected a message of type %u for serial %u, received type %u for %u (%.*s)", type,
		    c->serial, m.type, m.reply_serial, (int)m.field[ERROR_NAME].length, m.field[ERROR_NAME].bytes);
	return m;
}

struct client *client_connect(const char *path)
{
	struct sockaddr_un there = { .sun_family = AF_UNIX };
	struct client *c = calloc(1, sizeof *c);

	if (!c || !(c->input = malloc(INPUT_BYTES)))
		die("out of memory");
	if (strlen(path) >= sizeof there.sun_path)
		die("%s: longer than a socket's path may be", path);
	strcpy(there.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(c->fd, (struct sockaddr *)&there, sizeof there))
		die("%s: %s", path, strerror(errno));
	authenticate(c);
	call(c, DRIVER_NAME, DRIVER_PATH, "Hello", "", NULL, 0);
	struct message m = answer(c, METHOD_RETURN);
	struct text name = get_string(&m);
	if (!equal(m.field[SENDER], text(DRIVER_NAME)) || !equal(m.field[DESTINATION], name) ||
	    name.length >= sizeof c->name)
		die("an answer to Hello that no bus gives");
	memcpy(c->name, name.bytes, name.length);
	return c;
}

void client_expect_denial(struct client *c)
{
	call(c, "com.example.Denied", "/com/example/Denied", "Call", "", NULL, 0);
	answer(c, ERROR);
}

void client_stall(struct client *c, uint32_t mebibytes)
{
	uint8_t rule[128];
	size_t bytes = put_string(rule, text("type='signal',interface='" SERVICE_NAME "'"));
	call(c, DRIVER_NAME, DRIVER_PATH, "AddMatch", "s", rule, bytes);
	answer(c, METHOD_RETURN);
	call(c, SERVICE_NAME, SERVICE_PATH, "Flood", "u", &mebibytes, sizeof mebibytes);
}

/*
 * The calls under way are a ring of prepared messages, side by side, of which only serial and
 * number change: so a refill is one send of neighbouring bytes, and nothing is copied.
 */
struct ring {
	uint8_t *bytes;
	size_t stride, number_at;        /* of one message; of the number in it */
	unsigned window;
	const uint8_t *pattern;          /* the payload behind its number */
	size_t pattern_bytes;
	uint32_t first_serial;
	uint64_t prepared, received;     /* messages */
	uint64_t written;                /* bytes */
};

static struct ring ring_new(struct client *c, const struct load_case *load)
{
	uint8_t header[HEADER_BYTES_MAX];
	size_t body_bytes = 4 + (size_t)load->payload_bytes;
	struct ring r = { .window = load->window, .first_serial = c->serial + 1 };
	size_t header_bytes = call_header(c, header, SERVICE_NAME, SERVICE_PATH, "Echo", "ay", body_bytes);

	r.number_at = header_bytes + 4;
	r.stride = header_bytes + body_bytes;
	r.pattern_bytes = load->payload_bytes - sizeof(uint64_t);
	if (!(r.bytes = malloc(r.stride * load->window)))
		die("out of memory");
	for (uint8_t *p = r.bytes; p < r.bytes + r.stride * load->window; p += r.stride) {
		memcpy(p, header, header_bytes);
		put32(p + header_bytes, load->payload_bytes);
		for (size_t i = 0; i < r.pattern_bytes; i++)
			p[r.number_at + sizeof(uint64_t) + i] = (uint8_t)(i * 167 + 13);
	}
	r.pattern = r.bytes + r.number_at + sizeof(uint64_t);
	return r;
}

static void ring_prepare(struct ring *r, uint64_t operations)
{
	for (; r->prepared < operations && r->prepared - r->received < r->window; r->prepared++) {
		uint8_t *p = r->bytes + r->prepared % r->window * r->stride;
		put32(p + 8, r->first_serial + (uint32_t)r->prepared);
		memcpy(p + r->number_at, &r->prepared, sizeof r->prepared);
	}
}

/* Sends what the socket takes; true when nothing is left. */
static bool ring_send(struct ring *r, int fd)
{
	size_t ring_bytes = r->stride * r->window;
	while (r->written < r->prepared * r->stride) {
		size_t at = r->written % ring_bytes;
		uint64_t left = r->prepared * r->stride - r->written;
		ssize_t n = send(fd, r->bytes + at, left < ring_bytes - at ? left : ring_bytes - at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0)
			die("cannot send to the proxy: %s", strerror(errno));
		r->written += (uint64_t)n;
	}
	return true;
}

static void check(struct client *c, const struct ring *r, const struct message *m)
{
	uint32_t serial = r->first_serial + (uint32_t)r->received;
	size_t payload_bytes = sizeof(uint64_t) + r->pattern_bytes;

	if (m->type != METHOD_RETURN || m->reply_serial != serial)
		die("operation %lu: expected the return of call %u, received type %u for %u (%.*s)",
		    (unsigned long)r->received, serial, m->type, m->reply_serial,
		    (int)m->field[ERROR_NAME].length, m->field[ERROR_NAME].bytes);
	if (!equal(m->field[SENDER], text(SERVICE_OWNER)) || !equal(m->field[DESTINATION], text(c->name)) ||
	    !equal(m->field[SIGNATURE], text("ay")))
		die("operation %lu: wrong sender, destination or signature", (unsigned long)r->received);
	if (m->body_bytes != 4 + payload_bytes || get32(m->body) != payload_bytes ||
	    memcmp(m->body + 4, &r->received, sizeof r->received) ||
	    memcmp(m->body + 4 + sizeof r->received, r->pattern, r->pattern_bytes))
		die("operation %lu: the body is not the one that was sent", (unsigned long)r->received);
}

void client_run(struct client *c, const struct load_case *load, uint64_t operations)
{
	struct ring r = ring_new(c, load);
	struct message m;
	while (r.received < operations) {
		ring_prepare(&r, operations);
		if (!ring_send(&r, c->fd)) {
			struct pollfd either = { .fd = c->fd, .events = POLLIN | POLLOUT };
			poll(&either, 1, -1);
			if (!(either.revents & ~POLLOUT))
				continue;
		}
		receive(c);
		for (; take(c, &m); r.received++)
			check(c, &r, &m);
	}
	c->serial = r.first_serial + (uint32_t)operations - 1;
	free(r.bytes);
}
