/*
 * bus - what is behind the proxy: a thread that is a bus with one service on it, or, behind a real
 * bus, only that service.
 *
 * As a bus it authenticates, names its connections :1.1, :1.2, …, answers what a proxy or a client
 * asks the driver (driver.c), and answers every other METHOD_CALL as the owner of com.example.Load
 * would (service.c). It delivers nothing between connections and never denies: what is denied is
 * the proxy's business. Used by load.c; the rest is for driver.c and service.c.
 */
#pragma once
#include "wire.h"

#define ANSWERS_MAX 256                  /* per write; an answer is two iovecs, the kernel takes 1024 */
#define ANSWER_HEADER_BYTES 512

struct connection {
	int fd;
	bool nul_seen, binary;
	struct text name;                /* of the peer; behind a real bus: our own */
	uint32_t serial;
	struct input input;
};

/* Who com.example.Load says it is: `:1.0`, or what a real bus calls it. */
extern struct text service_owner;

/* Listens on a Unix socket and serves it on a thread of its own until the program ends. */
void bus_start(const char *path);

/* The same, but as a service named com.example.Load on the bus that listens there. */
void bus_join(const char *path);

/* No further byte of this connection is read, as if its service hung. */
void bus_ignore(struct connection *c);

/* Starts an answer in the next free slot for headers, and queues it. A body must stay where it is until bus_flush. */
struct header bus_answer(struct connection *c, const struct message *call, uint8_t type, struct text sender);
struct header bus_signal(struct connection *c);
void bus_queue(struct connection *c, struct header *h, const uint8_t *body, size_t body_bytes);
void bus_flush(struct connection *c);

/* Room for a small body beside the header that is being built. */
uint8_t *bus_small_body(void);
