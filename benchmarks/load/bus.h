/*
 * bus - the bus behind the proxy: a thread that authenticates, names its connections :1.1, :1.2, …,
 * answers what a proxy or a client asks the driver, and answers every other METHOD_CALL with its
 * own body, as the owner of com.example.Load would.
 *
 * It delivers nothing between connections and never denies: what is denied is the proxy's business.
 */
#pragma once
#include <stdint.h>

/* Listens on a Unix socket and serves it on a thread of its own until the program ends. */
void bus_start(const char *path);

/*
 * Blocks until a call of com.example.Load.Flood (body: u, MiB) has been worked off: signals are
 * sent to the caller until so much was taken or nothing was taken for a second. Returns bytes taken.
 */
uint64_t bus_flooded(void);
