#include "calls.h"
#include "bus.h"
#include "latency.h"
#include "service.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 8
#define DENIED_NAME "org.freedesktop.DBus.Error.AccessDenied"
#define HIDDEN_NAME "org.freedesktop.DBus.Error.ServiceUnknown"
#define DENIED_TEXT "busgate: outgoing call com.example.Denied.Call on /com/example/Denied is not allowed by the SESSION policy"

/*
 * The calls under way are a ring of prepared messages, side by side, of which only serial and
 * number change: so a refill is one send of neighbouring bytes, and nothing is copied.
 */
struct slot {
	size_t at, number_at, end;       /* of the message, of the number in it, behind it */
	uint64_t sent_ns;
};

struct ring {
	struct client *client;
	const struct calls *what;
	uint8_t *bytes;
	struct slot *slots;
	unsigned slot_count;
	uint32_t first_serial;
	uint64_t operations, prepared, received;     /* messages */
	uint64_t prepared_bytes, written_bytes;
};

/* Files of memory, told apart by their inode. */
static struct { int fd; ino_t inode; } files[FILES];

static void open_files(void)
{
	struct stat s;
	for (int i = 0; i < FILES && !files[i].fd; i++) {
		files[i].fd = memfd_create("load", MFD_CLOEXEC);
		if (files[i].fd < 0 || fstat(files[i].fd, &s))
			die("no memory file: %s", strerror(errno));
		files[i].inode = s.st_ino;
	}
}

/* Writes the kind-th of `kinds` calls to p; the last kind is the one of com.example.Load. */
static size_t prepare_call(uint8_t *p, const struct calls *what, unsigned kind)
{
	char interface[64] = SERVICE_NAME, path[64] = SERVICE_PATH, member[64] = "Echo";
	struct call call = { .path = path, .interface = interface, .member = member, .signature = "ay",
		.descriptors = what->descriptors };
	if (kind + 1 < what->kinds) {
		sprintf(interface, "com.example.Filler%u", kind);
		sprintf(path, "/com/example/Filler%u", kind);
		sprintf(member, "Call%u", kind);
	}
	if (what->fate != ALLOWED) {
		call.destination = strcpy(interface, "com.example.Denied");
		strcpy(path, "/com/example/Denied");
		strcpy(member, "Call");
	}
	return client_call_header(p, 1, &call, 4 + what->payload_bytes);
}

static void ring_open(struct ring *r, struct client *c, const struct calls *what, uint64_t operations)
{
	unsigned count = what->kinds > 1 ? what->kinds : what->window;
	size_t at = 0;
	*r = (struct ring){ .client = c, .what = what, .slot_count = count, .first_serial = c->serial + 1, .operations = operations };
	r->bytes = malloc((size_t)count * (CALL_HEADER_BYTES_MAX + what->payload_bytes));
	r->slots = calloc(count, sizeof *r->slots);
	if (!r->bytes || !r->slots)
		die("out of memory");
	for (unsigned i = 0; i < count; i++) {
		size_t body = at + prepare_call(r->bytes + at, what, what->kinds == 1 ? 0 : i);
		put32(r->bytes + body, what->payload_bytes);
		for (size_t b = 0; b + sizeof(uint64_t) < what->payload_bytes; b++)
			r->bytes[body + 4 + sizeof(uint64_t) + b] = payload_byte(b);
		r->slots[i] = (struct slot){ .at = at, .number_at = body + 4, .end = body + 4 + what->payload_bytes };
		at = r->slots[i].end;
	}
}

static void ring_close(struct ring *r)
{
	r->client->serial = r->first_serial + (uint32_t)r->operations - 1;
	free(r->bytes);
	free(r->slots);
}

static void ring_prepare(struct ring *r, uint64_t now)
{
	for (; r->prepared < r->operations && r->prepared - r->received < r->what->window; r->prepared++) {
		struct slot *s = r->slots + r->prepared % r->slot_count;
		put32(r->bytes + s->at + 8, r->first_serial + (uint32_t)r->prepared);
		memcpy(r->bytes + s->number_at, &r->prepared, sizeof r->prepared);
		s->sent_ns = now;
		r->prepared_bytes += s->end - s->at;
	}
}

/* Sends the one message at `at` with its descriptors, which are others than those of its neighbours. */
static void send_descriptors(struct ring *r, size_t at)
{
	struct slot *s = r->slots;
	uint64_t number;
	int fds[DESCRIPTORS_MAX];
	while (s->at != at)
		s++;
	memcpy(&number, r->bytes + s->number_at, sizeof number);
	for (unsigned i = 0; i < r->what->descriptors; i++)
		fds[i] = files[(number + i) % FILES].fd;
	if (send_with_descriptors(r->client->fd, r->bytes + at, s->end - at, fds, r->what->descriptors) != (ssize_t)(s->end - at))
		die("cannot send a call with descriptors: %s", strerror(errno));
	r->written_bytes += s->end - at;
}

/* Sends what the socket takes; true when nothing is left. */
static bool ring_send(struct ring *r)
{
	size_t ring_bytes = r->slots[r->slot_count - 1].end;
	while (r->written_bytes < r->prepared_bytes) {
		size_t at = r->written_bytes % ring_bytes;
		uint64_t left = r->prepared_bytes - r->written_bytes;
		size_t chunk = left < ring_bytes - at ? left : ring_bytes - at;
		if (r->what->descriptors) {
			send_descriptors(r, at);
			continue;
		}
		ssize_t n = send(r->client->fd, r->bytes + at, chunk, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0)
			die("cannot send to the proxy: %s", strerror(errno));
		r->written_bytes += (uint64_t)n;
	}
	return true;
}

static void check_descriptors(struct ring *r, const struct message *m)
{
	int fds[DESCRIPTORS_MAX];
	struct stat s;
	if (m->descriptors != r->what->descriptors)
		die("operation %lu: %u descriptors", (unsigned long)r->received, m->descriptors);
	input_take_descriptors(&r->client->input, m->descriptors, fds);
	for (unsigned i = 0; i < m->descriptors; i++) {
		if (fstat(fds[i], &s) || s.st_ino != files[(r->received + i) % FILES].inode)
			die("operation %lu: descriptor %u is not the one that was sent", (unsigned long)r->received, i);
		close(fds[i]);
	}
}

static void check_return(struct ring *r, const struct message *m)
{
	const struct slot *s = r->slots + r->received % r->slot_count;
	if (!equal(m->field[SENDER], service_owner) || !equal(m->field[DESTINATION], text(r->client->name)) ||
	    !equal(m->field[SIGNATURE], text("ay")))
		die("operation %lu: wrong sender, destination or signature", (unsigned long)r->received);
	if (m->body_bytes != 4 + (size_t)r->what->payload_bytes || get32(m->body) != r->what->payload_bytes ||
	    memcmp(m->body + 4, r->bytes + s->number_at, r->what->payload_bytes))
		die("operation %lu: the body is not the one that was sent", (unsigned long)r->received);
	if (r->what->descriptors)
		check_descriptors(r, m);
}

static void check_denial(struct ring *r, const struct message *m)
{
	struct text name = m->field[ERROR_NAME];
	if (!equal(name, text(DENIED_NAME)) && !equal(name, text(HIDDEN_NAME)))
		die("operation %lu: denied as %.*s", (unsigned long)r->received, (int)name.length, name.bytes);
	if (r->what->fate == DENIED_IN_WORDS &&
	    (!equal(name, text(DENIED_NAME)) || !equal(m->field[SENDER], text(DRIVER_NAME)) ||
	     !equal(m->field[DESTINATION], text(r->client->name)) || !(m->flags & NO_REPLY_EXPECTED) ||
	     !equal(get_string(m), text(DENIED_TEXT))))
		die("operation %lu: denied in other words than promised", (unsigned long)r->received);
}

static void check(struct ring *r, const struct message *m)
{
	uint32_t serial = r->first_serial + (uint32_t)r->received;
	uint8_t type = r->what->fate == ALLOWED ? METHOD_RETURN : ERROR;
	if (m->type != type || m->reply_serial != serial)
		die("operation %lu: expected type %u for call %u, received type %u for %u (%.*s)",
		    (unsigned long)r->received, type, serial, m->type, m->reply_serial,
		    (int)m->field[ERROR_NAME].length, m->field[ERROR_NAME].bytes);
	if (r->what->fate == ALLOWED)
		check_return(r, m);
	else
		check_denial(r, m);
}

/* Works off what has come; the calls it answers make room for the next. */
static void ring_receive(struct ring *r)
{
	struct message m;
	client_receive(r->client);
	uint64_t now = nanoseconds(CLOCK_MONOTONIC);
	for (; client_take(r->client, &m); r->received++) {
		if (r->received == r->prepared)
			die("an answer without a call");
		check(r, &m);
		latency_add(now - r->slots[r->received % r->slot_count].sent_ns);
	}
	ring_prepare(r, now);
}

static void run_one(struct ring *r)
{
	ring_prepare(r, nanoseconds(CLOCK_MONOTONIC));
	while (r->received < r->operations) {
		if (!ring_send(r)) {
			struct pollfd either = { .fd = r->client->fd, .events = POLLIN | POLLOUT };
			poll(&either, 1, -1);
			if (!(either.revents & ~POLLOUT))
				continue;
		}
		ring_receive(r);
	}
}

/* Windows of many clients are small: what they have under way fits into their sockets. */
static void run_many(struct ring *rings, unsigned count)
{
	struct epoll_event events[128];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	unsigned busy = count;
	for (unsigned i = 0; i < count; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = rings + i };
		epoll_ctl(epoll, EPOLL_CTL_ADD, rings[i].client->fd, &ev);
		ring_prepare(rings + i, nanoseconds(CLOCK_MONOTONIC));
	}
	for (unsigned i = 0; i < count; i++)
		if (!ring_send(rings + i))
			die("more under way than a socket takes");
	while (busy) {
		int n = epoll_wait(epoll, events, 128, -1);
		for (int i = 0; i < n; i++) {
			struct ring *r = events[i].data.ptr;
			ring_receive(r);
			if (!ring_send(r))
				die("more under way than a socket takes");
			busy -= r->received == r->operations;
		}
	}
	close(epoll);
}

void calls_run(struct client **clients, unsigned count, const struct calls *what, uint64_t operations)
{
	struct ring *rings = calloc(count, sizeof *rings);
	if (!rings)
		die("out of memory");
	if (what->descriptors)
		open_files();
	for (unsigned i = 0; i < count; i++)
		ring_open(rings + i, clients[i], what, operations / count);
	if (count == 1)
		run_one(rings);
	else
		run_many(rings, count);
	for (unsigned i = 0; i < count; i++)
		ring_close(rings + i);
	free(rings);
}
