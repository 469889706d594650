/*
 * signals - the signals whose cost is measured: the service emits, the client takes and compares
 * sender, interface, path, member, number, length and each byte. Used by load.c.
 */
#pragma once
#include "client.h"

/* Takes what comes of `operations` signals; with `half` every second is of an interface no rule allows. */
void signals_run(struct client *c, uint32_t payload_bytes, bool half, uint64_t operations);
