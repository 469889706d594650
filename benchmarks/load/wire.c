#include "wire.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIXED_BYTES 16

static size_t align8(size_t n) { return (n + 7) & ~(size_t)7; }

void die(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	fputs("load: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	_Exit(1);
}

/* Reads one header field at offset `at`; returns the offset behind it, beyond `end` if it does not fit. */
static size_t read_field(const uint8_t *p, size_t at, size_t end, struct message *m)
{
	if (end - at < 6) /* the shortest is an empty signature; a word more is still padding or body */
		return end + 1;
	uint8_t code = p[at];
	char type = (char)p[at + 2];
	at += 4;
	if (type == 'u') {
		if (code == REPLY_SERIAL)
			m->reply_serial = get32(p + at);
		return at + 4;
	}
	if (type != 's' && type != 'o' && type != 'g')
		die("a header field of type '%c'", type);
	size_t prefix = type == 'g' ? 1 : 4;
	size_t length = type == 'g' ? p[at] : get32(p + at);
	if (code <= SIGNATURE)
		m->field[code] = (struct text){ (const char *)p + at + prefix, length };
	return at + prefix + length + 1;
}

size_t message_read(const uint8_t *p, size_t available, struct message *m)
{
	if (available < FIXED_BYTES)
		return 0;
	size_t fields_bytes = get32(p + 12), body_bytes = get32(p + 4);
	if (p[0] != 'l' || p[3] != 1 || fields_bytes > 1 << 16 || body_bytes > 1 << 24)
		die("received what is no message: %02x %02x %02x %02x, body %zu, fields %zu", p[0], p[1],
		    p[2], p[3], body_bytes, fields_bytes);
	size_t end = FIXED_BYTES + fields_bytes;
	size_t bytes = align8(end) + body_bytes;
	if (available < bytes)
		return 0;
	*m = (struct message){ .type = p[1], .flags = p[2], .serial = get32(p + 8),
		.body = p + align8(end), .body_bytes = body_bytes, .bytes = bytes };
	for (size_t at = FIXED_BYTES; at < end; at = align8(at))
		if ((at = read_field(p, at, end, m)) > end)
			die("a header field runs out of its header");
	return bytes;
}

struct header header_begin(uint8_t *p, uint8_t type, uint8_t flags, uint32_t serial)
{
	memcpy(p, (uint8_t[]){ 'l', type, flags, 1 }, 4);
	put32(p + 8, serial);
	return (struct header){ p, FIXED_BYTES };
}

static uint8_t *field_begin(struct header *h, uint8_t code, char type)
{
	size_t at = align8(h->at);
	memset(h->p + h->at, 0, at - h->at);
	memcpy(h->p + at, (uint8_t[]){ code, 1, (uint8_t)type, 0 }, 4);
	h->at = at + 4;
	return h->p + h->at;
}

void header_text(struct header *h, enum field code, char type, struct text value)
{
	uint8_t *p = field_begin(h, (uint8_t)code, type);
	size_t prefix = type == 'g' ? 1 : 4;
	if (type == 'g')
		*p = (uint8_t)value.length;
	else
		put32(p, (uint32_t)value.length);
	memcpy(p + prefix, value.bytes, value.length);
	p[prefix + value.length] = 0;
	h->at += prefix + value.length + 1;
}

void header_reply_serial(struct header *h, uint32_t serial)
{
	put32(field_begin(h, REPLY_SERIAL, 'u'), serial);
	h->at += 4;
}

size_t header_end(struct header *h, size_t body_bytes)
{
	size_t bytes = align8(h->at);
	put32(h->p + 4, (uint32_t)body_bytes);
	put32(h->p + 12, (uint32_t)(h->at - FIXED_BYTES));
	memset(h->p + h->at, 0, bytes - h->at);
	return bytes;
}

size_t put_string(uint8_t *p, struct text s)
{
	put32(p, (uint32_t)s.length);
	memcpy(p + 4, s.bytes, s.length);
	p[4 + s.length] = 0;
	return 5 + s.length;
}

struct text get_string(const struct message *m)
{
	if (!m->field[SIGNATURE].length || m->field[SIGNATURE].bytes[0] != 's' || m->body_bytes < 5 ||
	    m->body_bytes - 5 < get32(m->body))
		die("expected a body that starts with a string");
	return (struct text){ (const char *)m->body + 4, get32(m->body) };
}
