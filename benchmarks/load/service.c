#include "service.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FLOOD_PATIENCE_MS 500
#define FLOOD_PAYLOAD_BYTES 65532
#define SIGNALS_PER_SEND 64

static int flooded[2];

void service_start(void)
{
	if (pipe(flooded))
		die("no pipe: %s", strerror(errno));
}

static void echo(struct connection *c, const struct message *call)
{
	struct header h = bus_answer(c, call, METHOD_RETURN, service_owner);
	header_text(&h, SIGNATURE, 'g', call->field[SIGNATURE]);
	bus_queue(c, &h, call->body, call->body_bytes);
}

/* An answer with descriptors is sent by itself: they belong to its first byte. */
static void echo_descriptors(struct connection *c, const struct message *call)
{
	int descriptors[DESCRIPTORS_MAX];
	bus_flush(c);
	struct header h = bus_answer(c, call, METHOD_RETURN, service_owner);
	header_text(&h, SIGNATURE, 'g', call->field[SIGNATURE]);
	header_number(&h, UNIX_FDS, call->descriptors);
	size_t bytes = header_end(&h, call->body_bytes);
	if (bytes + call->body_bytes > ANSWER_HEADER_BYTES)
		die("a call with descriptors and a body of %zu bytes", call->body_bytes);
	memcpy(h.p + bytes, call->body, call->body_bytes);
	input_take_descriptors(&c->input, call->descriptors, descriptors);
	bytes += call->body_bytes;
	if (send_with_descriptors(c->fd, h.p, bytes, descriptors, call->descriptors) != (ssize_t)bytes)
		die("cannot send an answer with descriptors: %s", strerror(errno));
	for (unsigned i = 0; i < call->descriptors; i++)
		close(descriptors[i]);
}

/* A signal's bytes at p, its number still to come; returns how many. */
static size_t prepare_signal(uint8_t *p, const char *interface, uint32_t payload_bytes)
{
	struct header h = header_begin(p, SIGNAL, NO_REPLY_EXPECTED, 1);
	header_text(&h, PATH, 'o', text(SERVICE_PATH));
	header_text(&h, INTERFACE, 's', text(interface));
	header_text(&h, MEMBER, 's', text("Emitted"));
	header_text(&h, SENDER, 's', service_owner);
	header_text(&h, SIGNATURE, 'g', text("ay"));
	size_t bytes = header_end(&h, 4 + payload_bytes);
	put32(p + bytes, payload_bytes);
	for (size_t i = 0; i + sizeof(uint64_t) < payload_bytes; i++)
		p[bytes + 4 + sizeof(uint64_t) + i] = payload_byte(i);
	return bytes + 4 + payload_bytes;
}

static void send_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);
		if (r < 0)
			return; /* the peer has gone: the next read says so */
		p += r;
		n -= (size_t)r;
	}
}

static void emit(struct connection *c, const struct message *call)
{
	uint32_t payload = get32(call->body), half = get32(call->body + 4);
	uint64_t count;
	size_t stride = ANSWER_HEADER_BYTES + payload, ends[SIGNALS_PER_SEND], payload_at[SIGNALS_PER_SEND], bytes = 0;
	uint8_t *block = malloc(stride * SIGNALS_PER_SEND);
	memcpy(&count, call->body + 8, sizeof count);
	if (!block)
		die("out of memory");
	for (unsigned i = 0; i < SIGNALS_PER_SEND; i++) {
		bytes += prepare_signal(block + bytes, half && i % 2 == 0 ? "com.example.Denied" : SERVICE_NAME, payload);
		payload_at[i] = bytes - payload;
		ends[i] = bytes;
	}
	bus_flush(c);
	for (uint64_t number = 0; number < count;) {
		unsigned i = 0;
		for (; i < SIGNALS_PER_SEND && number < count; i++, number++) {
			put32(block + (i ? ends[i - 1] : 0) + 8, ++c->serial);
			memcpy(block + payload_at[i], &number, sizeof number);
		}
		send_all(c->fd, block, ends[i - 1]);
	}
	free(block);
}

static void flood(struct connection *c, const struct message *call)
{
	static uint8_t signal[ANSWER_HEADER_BYTES + FLOOD_PAYLOAD_BYTES];
	size_t bytes = prepare_signal(signal, SERVICE_NAME, FLOOD_PAYLOAD_BYTES), at = 0;
	uint64_t wanted = (uint64_t)get32(call->body) << 20, taken = 0;

	put32(signal + 8, ++c->serial);
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

uint64_t service_flooded(void)
{
	uint64_t taken;
	if (read(flooded[0], &taken, sizeof taken) != sizeof taken)
		die("the flood was not reported");
	return taken;
}

void service_call(struct connection *c, const struct message *call)
{
	struct text member = call->field[MEMBER];
	if (equal(member, text("Emit")))
		emit(c, call);
	else if (equal(member, text("Flood")))
		flood(c, call);
	else if (call->descriptors)
		echo_descriptors(c, call);
	else
		echo(c, call);
	if (equal(member, text("Ignore"))) {
		bus_flush(c);
		bus_ignore(c);
	}
}
