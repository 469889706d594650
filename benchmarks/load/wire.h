/*
 * wire - as much of the D-Bus message format as the load needs: little-endian headers, read in
 * place and written into caller-owned memory, and the descriptors beside them.
 *
 * Bounds are checked, so that a broken proxy ends in an error and not in a crash; grammar is not
 * (the subject of a benchmark is the proxy, not its peers). Used by everything here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#define SERVICE_NAME "com.example.Load"
#define SERVICE_PATH "/com/example/Load"
#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

enum { METHOD_CALL = 1, METHOD_RETURN = 2, ERROR = 3, SIGNAL = 4 };
enum { NO_REPLY_EXPECTED = 1 };
enum field { PATH = 1, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE, UNIX_FDS };

struct text { const char *bytes; size_t length; };

struct message {
	uint8_t type, flags;
	uint32_t serial, reply_serial, descriptors;
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
void header_number(struct header *h, enum field code, uint32_t value);
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

/* What a connection received and has not yet worked off: bytes[start ..< length]; descriptors in their order. */
#define DESCRIPTORS_MAX 64
struct input {
	uint8_t *bytes;
	size_t start, length, capacity;
	int descriptors[DESCRIPTORS_MAX];
	unsigned descriptor_count;
};

struct input input_new(void);
void input_free(struct input *in);

/* Makes room for what is under way, then receives once. What recvmsg(2) returned. */
ssize_t input_receive(struct input *in, int fd, int flags);

/* Takes the first n descriptors; the caller closes them. */
void input_take_descriptors(struct input *in, unsigned n, int *to);

/* sendmsg(2) with descriptors, which go with the first byte. */
ssize_t send_with_descriptors(int fd, const void *bytes, size_t n, const int *descriptors, unsigned count);

int unix_socket(const char *path, int (*use)(int, const struct sockaddr *, socklen_t));

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
