#include "signals.h"
#include "bus.h"
#include "service.h"
#include <stdlib.h>

static void check(const struct message *m, uint64_t number, const uint8_t *pattern, uint32_t payload_bytes)
{
	unsigned long n = (unsigned long)number;
	if (m->type != SIGNAL || !equal(m->field[SENDER], service_owner) || !equal(m->field[INTERFACE], text(SERVICE_NAME)) ||
	    !equal(m->field[PATH], text(SERVICE_PATH)) || !equal(m->field[MEMBER], text("Emitted")))
		die("expected signal %lu, received type %u, %.*s", n, m->type, (int)m->field[INTERFACE].length, m->field[INTERFACE].bytes);
	if (m->body_bytes != 4 + (size_t)payload_bytes || get32(m->body) != payload_bytes || memcmp(m->body + 4, &number, sizeof number) ||
	    memcmp(m->body + 4 + sizeof number, pattern, payload_bytes - sizeof number))
		die("signal %lu is not the one that was emitted", n);
}

void signals_run(struct client *c, uint32_t payload_bytes, bool half, uint64_t operations)
{
	uint8_t body[16], *pattern = malloc(payload_bytes);
	struct call emit = { .path = SERVICE_PATH, .interface = SERVICE_NAME, .member = "Emit", .signature = "uut",
		.flags = NO_REPLY_EXPECTED };
	struct message m;

	if (!pattern)
		die("out of memory");
	for (size_t i = 0; i + sizeof(uint64_t) < payload_bytes; i++)
		pattern[i] = payload_byte(i);
	put32(body, payload_bytes);
	put32(body + 4, half);
	memcpy(body + 8, &operations, sizeof operations);
	client_send(c, &emit, body, sizeof body);
	for (uint64_t number = half; number < operations; number += 1 + half) {
		while (!client_take(c, &m))
			client_receive(c);
		check(&m, number, pattern, payload_bytes);
	}
	free(pattern);
}
