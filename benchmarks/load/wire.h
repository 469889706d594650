/*
 * wire - as much of the D-Bus message format as the load needs: little-endian headers, read in
 * place and written into caller-owned memory.
 *
 * Bounds are checked, so that a broken proxy ends in an error and not in a crash; grammar is not
 * (the subject of a benchmark is the proxy, not its peers). Used by bus.c and client.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SERVICE_NAME "com.example.Load"
#define SERVICE_PATH "/com/example/Load"
#define SERVICE_OWNER ":1.0"
#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

enum { METHOD_CALL = 1, METHOD_RETURN = 2, ERROR = 3, SIGNAL = 4 };
enum { NO_REPLY_EXPECTED = 1 };
enum field { PATH = 1, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE };

struct text { const char *bytes; size_t length; };

struct message {
	uint8_t type, flags;
	uint32_t serial, reply_serial;
	struct text field[SIGNATURE + 1];     /* by its code; absent: length 0 */
	const uint8_t *body;
	size_t body_bytes, bytes;             /* bytes: header, padding and body */
};

/* Reads the message at p. 0: not yet complete. Ends the program on what is not a message. */
size_t message_read(const uint8_t *p, size_t available, struct message *m);

/* A header under construction: begin, fields, end; the body follows at p + what header_end returned. */
struct header { uint8_t *p; size_t at; };

struct header header_begin(uint8_t *p, uint8_t type, uint8_t flags, uint32_t serial);
void header_text(struct header *h, enum field code, char type, struct text value);
void header_reply_serial(struct header *h, uint32_t serial);
size_t header_end(struct header *h, size_t body_bytes);

/* A STRING as it stands at the start of a body; returns its bytes. */
size_t put_string(uint8_t *p, struct text s);
struct text get_string(const struct message *m);

static inline struct text text(const char *s) { return (struct text){ s, strlen(s) }; }

static inline bool equal(struct text a, struct text b)
{
	return a.length == b.length && !memcmp(a.bytes, b.bytes, a.length);
}

static inline uint32_t get32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, sizeof v); }

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
