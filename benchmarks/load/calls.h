/*
 * calls - the calls whose cost is measured: a number of them under way at any time, from one client
 * or many, of one kind or many, with or without descriptors, allowed or denied.
 *
 * Every answer is compared with what the bus must have said: serial, sender, destination, signature,
 * length, each byte of the body, each descriptor. What differs ends the program, so that a proxy that
 * loses, mixes up or damages messages has no figure. An answer's own serial is the proxy's to choose.
 */
#pragma once
#include "client.h"

struct calls {
	unsigned window;                 /* under way at any time, of each client */
	uint32_t payload_bytes;          /* ≥ 8: each payload starts with its number */
	unsigned kinds;                  /* interfaces, paths and members taken in turn; 1: com.example.Load */
	unsigned descriptors;            /* of each call, and of its answer */
	enum { ALLOWED, DENIED, DENIED_IN_WORDS } fate; /* in words: as the contract of busgate has it */
};

/* Makes `operations` calls in all and checks their answers. */
void calls_run(struct client **clients, unsigned count, const struct calls *what, uint64_t operations);
