/*
 * service - com.example.Load: answers any call with its own body and descriptors, and, by name,
 *
 *   Emit (uut)    emits so many signals Emitted: bytes of the payload, 1: each behind one of an
 *                 interface no rule allows, how many in all
 *   Flood (u)     sends the caller so many MiB of signals, until nothing was taken for a while
 *   Ignore ()     answers, and reads nothing more of that connection
 *
 * Used by bus.c; service_flooded by load.c.
 */
#pragma once
#include "bus.h"

void service_start(void);
void service_call(struct connection *c, const struct message *call);

/* Blocks until a call of Flood has been worked off. Returns bytes taken. */
uint64_t service_flooded(void);

/* The payload's byte at i, behind the message's number. Both ends know it. */
static inline uint8_t payload_byte(size_t i) { return (uint8_t)(i * 167 + 13); }
