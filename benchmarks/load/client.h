/*
 * client - a client in front of the proxy: connects, authenticates line by line (xdg-dbus-proxy
 * 0.1.4 drops whoever pipelines BEGIN), says Hello, and calls com.example.Load.
 *
 * Every answer is compared with what the bus must have said: serial, sender, destination,
 * signature, length, and each byte of the body. What differs ends the program, so that a proxy that
 * loses, mixes up or damages messages has no figure. An answer's own serial is the proxy's to choose.
 */
#pragma once
#include <stdint.h>

struct client;

/* One kind of load: `window` calls are under way at any time, each with a body of one `ay`. */
struct load_case {
	const char *name;
	unsigned window;
	uint32_t payload_bytes;          /* ≥ 8: each payload starts with its number */
};

struct client *client_connect(const char *path);

/* Makes `operations` calls and checks their answers. */
void client_run(struct client *c, const struct load_case *load, uint64_t operations);

/* Makes a call that no rule allows, and expects an ERROR. */
void client_expect_denial(struct client *c);

/* Subscribes to the service's signals, asks for `mebibytes` of them, and reads no more. */
void client_stall(struct client *c, uint32_t mebibytes);
