/*
 * client - a connection to a proxy or a bus: connects, authenticates line by line (xdg-dbus-proxy
 * 0.1.4 drops whoever pipelines BEGIN), says Hello, and exchanges single calls.
 *
 * What is not as a bus does it ends the program. Used by calls.c, signals.c and load.c, and by bus.c
 * for the service on a real bus.
 */
#pragma once
#include "wire.h"

#define CALL_HEADER_BYTES_MAX 512

struct client {
	int fd;
	char name[256];
	uint32_t serial;                 /* of the last call */
	struct input input;
};

struct client *client_connect(const char *path);
void client_close(struct client *c);

/* A call of an interface, to com.example.Load unless `destination` says otherwise. */
struct call {
	const char *destination, *path, *interface, *member, *signature;
	uint8_t flags;
	unsigned descriptors;
};

/* The header of a call at p, body not included; returns its bytes. */
size_t client_call_header(uint8_t *p, uint32_t serial, const struct call *call, size_t body_bytes);

/* Makes one call, and blocks until its answer of that type is in. The answer lives until the next receive. */
void client_send(struct client *c, const struct call *call, const void *body, size_t body_bytes);
struct message client_answer(struct client *c, uint8_t type);

/* Takes the next complete message that is no signal of the driver, without reading from the socket. */
bool client_take(struct client *c, struct message *m);

/* Blocks for some bytes. */
void client_receive(struct client *c);

void client_own_name(struct client *c, const char *name);
void client_add_match(struct client *c, const char *rule);

/* Makes a call that no rule allows, and expects an ERROR. */
void client_expect_denial(struct client *c);

/* Asks for `mebibytes` of signals and reads no more. */
void client_stall(struct client *c, uint32_t mebibytes);

/* Calls what is never read, until so much was taken or nothing was for a while. Returns bytes taken. */
uint64_t client_stall_service(struct client *c, uint32_t mebibytes);
