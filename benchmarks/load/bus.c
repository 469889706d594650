#include "bus.h"
#include "client.h"
#include "driver.h"
#include "service.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#define GUID "0123456789abcdef0123456789abcdef"

struct text service_owner = { ":1.0", 4 };
static int listener, epoll;
static bool real;

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

void bus_flush(struct connection *c)
{
	write_all(c->fd, answers, answers_used);
	headers_used = answers_used = 0;
}

void bus_queue(struct connection *c, struct header *h, const uint8_t *body, size_t body_bytes)
{
	answers[answers_used++] = (struct iovec){ h->p, header_end(h, body_bytes) };
	if (body_bytes)
		answers[answers_used++] = (struct iovec){ (void *)body, body_bytes };
	if (++headers_used == ANSWERS_MAX)
		bus_flush(c);
}

struct header bus_answer(struct connection *c, const struct message *call, uint8_t type, struct text sender)
{
	struct header h = header_begin(headers[headers_used], type, NO_REPLY_EXPECTED, ++c->serial);
	header_number(&h, REPLY_SERIAL, call->serial);
	header_text(&h, DESTINATION, 's', real ? call->field[SENDER] : c->name);
	header_text(&h, SENDER, 's', sender);
	return h;
}

struct header bus_signal(struct connection *c)
{
	return header_begin(headers[headers_used], SIGNAL, NO_REPLY_EXPECTED, ++c->serial);
}

uint8_t *bus_small_body(void) { return headers[headers_used] + ANSWER_HEADER_BYTES / 2; }

static void dispatch(struct connection *c, const struct message *m)
{
	if (real && m->type == SIGNAL)
		return; /* NameAcquired and the like */
	if (m->type != METHOD_CALL)
		die("the bus received a message of type %u", m->type);
	if (!real && equal(m->field[DESTINATION], text(DRIVER_NAME)))
		driver_call(c, m);
	else
		service_call(c, m);
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
	size_t bytes;
	ssize_t n = input_receive(&c->input, c->fd, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (real)
			die("the real bus closed the service's connection");
		close(c->fd);
		free((void *)c->name.bytes);
		input_free(&c->input);
		free(c);
		return;
	}
	while ((bytes = receive(c, c->input.bytes + c->input.start, c->input.length - c->input.start)))
		c->input.start += bytes;
	bus_flush(c);
}

static void watch(int fd, void *what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = what };
	if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev))
		die("cannot serve a connection: %s", strerror(errno));
}

void bus_ignore(struct connection *c) { epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL); }

static struct connection *connection_new(int fd)
{
	struct connection *c = calloc(1, sizeof *c);
	if (!c)
		die("out of memory");
	c->fd = fd;
	c->input = input_new();
	watch(fd, c);
	return c;
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
				connection_new(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
		}
	}
	return NULL;
}

static void serve_on_a_thread(void)
{
	pthread_t thread;
	service_start();
	if (pthread_create(&thread, NULL, serve, NULL))
		die("cannot start the bus");
}

void bus_start(const char *path)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
	listener = unix_socket(path, bind);
	if (listen(listener, 4096))
		die("%s: %s", path, strerror(errno));
	watch(listener, NULL);
	serve_on_a_thread();
}

void bus_join(const char *path)
{
	struct client *joined = client_connect(path);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	real = true;
	client_own_name(joined, SERVICE_NAME);
	service_owner = text(joined->name);
	struct connection *c = connection_new(joined->fd);
	c->binary = true;
	c->serial = joined->serial;
	serve_on_a_thread();
}
