#include "latency.h"
#include "wire.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct { uint64_t value, count; } *pairs;
static size_t used, room;

void latency_reset(void) { used = 0; }

void latency_add(uint64_t value)
{
	if (used && pairs[used - 1].value == value) { /* one batch: sent together, received together */
		pairs[used - 1].count++;
		return;
	}
	if (used == room) {
		room = room ? 2 * room : 4096;
		if (!(pairs = realloc(pairs, room * sizeof *pairs)))
			die("out of memory");
	}
	pairs[used].value = value;
	pairs[used++].count = 1;
}

void latency_write(const char *path)
{
	FILE *file = fopen(path, "w");
	if (!file || fwrite(pairs, sizeof *pairs, used, file) != used || fclose(file))
		die("%s: %s", path, strerror(errno));
}
