#include "bus.h"
#include "wire.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define INPUT_BYTES (1u << 20)
#define ANSWERS_MAX 256                  /* per write; an answer is two iovecs, the kernel takes 1024 */
#define ANSWER_HEADER_BYTES 512
#define SIGNAL_BODY_BYTES 65536
#define FLOOD_PATIENCE_MS 1000
#define GUID "0123456789abcdef0123456789abcdef"

struct connection {
	int fd;
	bool nul_seen, binary;
	struct text name;
	uint32_t serial;
	uint8_t *input;
	size_t length;
};

static int listener, epoll, flooded[2];
static unsigned connections;

/* Answers wait here, bodies still in the input buffer, until all that was read is worked off. */
static uint8_t headers[ANSWERS_MAX][ANSWER_HEADER_BYTES];
static struct iovec answers[2 * ANSWERS_MAX];
static int headers_used, answers_used;

static void write_all(int fd, struct iovec *iov, int count)
{
	while (count) {
		struct msghdr mh = { .msg_iov = iov, .msg_iovlen = (size_t)count };
		ssize_t n = sendmsg(fd, &mh, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* the peer has gone: the next read says so */
		for (; count && (size_t)n >= iov->iov_len; iov++, count--)
			n -= (ssize_t)iov->iov_len;
		if (count) {
			iov->iov_base = (uint8_t *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
}

static void flush(struct connection *c)
{
	write_all(c->fd, answers, answers_used);
	headers_used = answers_used = 0;
}

/* Queues header and body; the body must stay where it is until flush. */
static void queue(struct connection *c, struct header *h, const uint8_t *body, size_t body_bytes)
{
	answers[answers_used++] = (struct iovec){ h->p, header_end(h, body_bytes) };
	if (body_bytes)
		answers[answers_used++] = (struct iovec){ (void *)body, body_bytes };
	if (++headers_used == ANSWERS_MAX)
		flush(c);
}

static struct header answer(struct connection *c, const struct message *call, uint8_t type, const char *sender)
{
	struct header h = header_begin(headers[headers_used], type, NO_REPLY_EXPECTED, ++c->serial);
	header_reply_serial(&h, call->serial);
	header_text(&h, DESTINATION, 's', c->name);
	header_text(&h, SENDER, 's', text(sender));
	return h;
}

/* Bodies of the driver's answers share the header's slot, from its middle. */
static uint8_t *driver_body(void) { return headers[headers_used] + ANSWER_HEADER_BYTES / 2; }

static void driver_error(struct connection *c, const struct message *call, const char *name)
{
	struct header h = answer(c, call, ERROR, DRIVER_NAME);
	header_text(&h, ERROR_NAME, 's', text(name));
	queue(c, &h, NULL, 0);
}

static void driver_string(struct connection *c, const struct message *call, struct text s)
{
	struct header h = answer(c, call, METHOD_RETURN, DRIVER_NAME);
	uint8_t *body = driver_body();
	header_text(&h, SIGNATURE, 'g', text("s"));
	queue(c, &h, body, put_string(body, s));
}

static void name_acquired(struct connection *c)
{
	struct header h = header_begin(headers[headers_used], SIGNAL, NO_REPLY_EXPECTED, ++c->serial);
	uint8_t *body = driver_body();
	header_text(&h, PATH, 'o', text(DRIVER_PATH));
	header_text(&h, INTERFACE, 's', text(DRIVER_NAME));
	header_text(&h, MEMBER, 's', text("NameAcquired"));
	header_text(&h, DESTINATION, 's', c->name);
	header_text(&h, SENDER, 's', text(DRIVER_NAME));
	header_text(&h, SIGNATURE, 'g', text("s"));
	queue(c, &h, body, put_string(body, c->name));
}

static void hello(struct connection *c, const struct message *call)
{
	char *name;
	int length = asprintf(&name, ":1.%u", ++connections);
	if (length < 0)
		die("out of memory");
	c->name = (struct text){ name, (size_t)length };
	driver_string(c, call, c->name);
	name_acquired(c);
}

static void get_name_owner(struct connection *c, const struct message *call)
{
	struct text name = get_string(call);
	if (equal(name, text(SERVICE_NAME)) || equal(name, text(SERVICE_OWNER)))
		driver_string(c, call, text(SERVICE_OWNER));
	else if (equal(name, text(DRIVER_NAME)) || equal(name, c->name))
		driver_string(c, call, name);
	else
		driver_error(c, call, "org.freedesktop.DBus.Error.NameHasNoOwner");
}

static void list_names(struct connection *c, const struct message *call)
{
	struct text names[] = { text(DRIVER_NAME), text(SERVICE_NAME), text(SERVICE_OWNER), c->name };
	struct header h = answer(c, call, METHOD_RETURN, DRIVER_NAME);
	uint8_t *body = driver_body();
	size_t at = 4;
	header_text(&h, SIGNATURE, 'g', text("as"));
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		for (; at % 4; at++)
			body[at] = 0;
		at += put_string(body + at, names[i]);
	}
	put32(body, (uint32_t)at - 4);
	queue(c, &h, body, at);
}

static void nothing(struct connection *c, const struct message *call)
{
	struct header h = answer(c, call, METHOD_RETURN, DRIVER_NAME);
	queue(c, &h, NULL, 0);
}

static void call_driver(struct connection *c, const struct message *call)
{
	static const struct { const char *member; void (*serve)(struct connection *, const struct message *); } methods[] = {
		{ "Hello", hello },
		{ "AddMatch", nothing },
		{ "RemoveMatch", nothing },
		{ "GetNameOwner", get_name_owner },
		{ "ListNames", list_names },
	};
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (equal(call->field[MEMBER], text(methods[i].member))) {
			methods[i].serve(c, call);
			return;
		}
	driver_error(c, call, "org.freedesktop.DBus.Error.UnknownMethod");
}

static void echo(struct connection *c, const struct message *call)
{
	struct header h = answer(c, call, METHOD_RETURN, SERVICE_OWNER);
	header_text(&h, SIGNATURE, 'g', call->field[SIGNATURE]);
	queue(c, &h, call->body, call->body_bytes);
}

static void flood(struct connection *c, const struct message *call)
{
	static uint8_t signal[ANSWER_HEADER_BYTES + SIGNAL_BODY_BYTES];
	struct header h = header_begin(signal, SIGNAL, NO_REPLY_EXPECTED, ++c->serial);
	uint64_t wanted = (uint64_t)get32(call->body) << 20, taken = 0;
	size_t at = 0;

	header_text(&h, PATH, 'o', text(SERVICE_PATH));
	header_text(&h, INTERFACE, 's', text(SERVICE_NAME));
	header_text(&h, MEMBER, 's', text("Flooded"));
	header_text(&h, SENDER, 's', text(SERVICE_OWNER));
	header_text(&h, SIGNATURE, 'g', text("ay"));
	size_t bytes = header_end(&h, SIGNAL_BODY_BYTES);
	put32(signal + bytes, SIGNAL_BODY_BYTES - 4);
	bytes += SIGNAL_BODY_BYTES;

	while (taken < wanted) {
		struct pollfd room = { .fd = c->fd, .events = POLLOUT };
		if (poll(&room, 1, FLOOD_PATIENCE_MS) <= 0)
			break;
		ssize_t n = send(c->fd, signal + at, bytes - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			break;
		taken += (uint64_t)n;
		at += (size_t)n;
		if (at == bytes) {
			put32(signal + 8, ++c->serial);
			at = 0;
		}
	}
	if (write(flooded[1], &taken, sizeof taken) != sizeof taken)
		die("cannot report the flood");
}

static void dispatch(struct connection *c, const struct message *m)
{
	if (m->type != METHOD_CALL)
		die("the bus received a message of type %u", m->type);
	if (equal(m->field[DESTINATION], text(DRIVER_NAME)))
		call_driver(c, m);
	else if (equal(m->field[MEMBER], text("Flood")))
		flood(c, m);
	else
		echo(c, m);
}

/* Answers one line of the handshake. */
static void authenticate(struct connection *c, struct text line)
{
	const char *reply = "ERROR\r\n";
	if (equal(line, text("BEGIN"))) {
		c->binary = true;
		return;
	}
	if (equal(line, text("AUTH EXTERNAL")))
		reply = "DATA\r\n";
	else if ((line.length > 14 && !memcmp(line.bytes, "AUTH EXTERNAL ", 14)) || equal(line, text("DATA")))
		reply = "OK " GUID "\r\n";
	else if (equal(line, text("NEGOTIATE_UNIX_FD")))
		reply = "AGREE_UNIX_FD\r\n";
	write_all(c->fd, &(struct iovec){ (void *)reply, strlen(reply) }, 1);
}

/* Works off one line or message at p; returns its bytes, 0 if it is not complete. */
static size_t receive(struct connection *c, const uint8_t *p, size_t available)
{
	struct message m;
	if (c->binary) {
		size_t bytes = message_read(p, available, &m);
		if (bytes)
			dispatch(c, &m);
		return bytes;
	}
	if (!c->nul_seen)
		return c->nul_seen = available > 0;
	const uint8_t *end = memmem(p, available, "\r\n", 2);
	if (!end)
		return 0;
	authenticate(c, (struct text){ (const char *)p, (size_t)(end - p) });
	return (size_t)(end - p) + 2;
}

static void on_readable(struct connection *c)
{
	size_t at = 0, bytes;
	ssize_t n = recv(c->fd, c->input + c->length, INPUT_BYTES - c->length, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(c->fd);
		free((void *)c->name.bytes);
		free(c->input);
		free(c);
		return;
	}
	c->length += (size_t)n;
	while ((bytes = receive(c, c->input + at, c->length - at)))
		at += bytes;
	flush(c);
	memmove(c->input, c->input + at, c->length - at);
	c->length -= at;
}

static void on_connection(void)
{
	struct connection *c = calloc(1, sizeof *c);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	if (!c || !(c->input = malloc(INPUT_BYTES)))
		die("out of memory");
	if ((c->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev))
		die("cannot accept: %s", strerror(errno));
}

static void *serve(void *unused)
{
	struct epoll_event ev[64];
	(void)unused;
	for (;;) {
		int n = epoll_wait(epoll, ev, 64, -1);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr)
				on_readable(ev[i].data.ptr);
			else
				on_connection();
		}
	}
	return NULL;
}

void bus_start(const char *path)
{
	struct sockaddr_un here = { .sun_family = AF_UNIX };
	struct epoll_event ev = { .events = EPOLLIN };
	pthread_t thread;

	if (strlen(path) >= sizeof here.sun_path)
		die("%s: longer than a socket's path may be", path);
	strcpy(here.sun_path, path);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096) ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev) || pipe(flooded))
		die("%s: %s", path, strerror(errno));
	if (pthread_create(&thread, NULL, serve, NULL))
		die("cannot start the bus");
}

uint64_t bus_flooded(void)
{
	uint64_t taken;
	if (read(flooded[0], &taken, sizeof taken) != sizeof taken)
		die("the flood was not reported");
	return taken;
}
