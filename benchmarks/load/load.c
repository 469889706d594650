/*
 * load - the two ends of a proxy under test: the bus behind it and the client in front of it, in
 * one process, cheap enough that the proxy is the slowest part. Uses no D-Bus library.
 *
 * It measures nothing but its own phases; who starts it (benchmarks/run, benchmarks/footprint)
 * starts the proxy too and reads that process's clock between `begin` and `end`.
 *
 * usage: load BUS_SOCKET PROXY_SOCKET
 * Serves BUS_SOCKET, prints `listening`, and obeys lines of standard input:
 *
 *   connect N        N more clients, Hello said           connected
 *   deny             an ERROR comes for a forbidden call  denied
 *   run CASE N       N operations of a case               begin, waits for a line, then
 *                                                         end WALL_NS OWN_CPU_NS
 *   stall MIB        a reader stops, signals keep coming  stalled BYTES_TAKEN
 *
 * Anything unexpected: one line on standard error, exit status 1.
 */
#include "bus.h"
#include "client.h"
#include "wire.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A new load is a line here and, if it is timed, its number of operations in benchmarks/run. */
static const struct load_case cases[] = {
	{ "rr", 1, 16 },
	{ "pipe-16", 64, 16 },
	{ "pipe-1k", 64, 1024 },
	{ "pipe-64k", 64, 65536 },
};

static const char *proxy;
static struct client *client;             /* the first; the others are only there */

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const struct load_case *find(const char *name)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (!strcmp(cases[i].name, name))
			return cases + i;
	die("no case %s", name);
}

static void run(const struct load_case *load, uint64_t operations)
{
	char go[8];
	puts("begin");
	if (!fgets(go, sizeof go, stdin))
		exit(0);
	uint64_t wall = nanoseconds(CLOCK_MONOTONIC), cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
	client_run(client, load, operations);
	wall = nanoseconds(CLOCK_MONOTONIC) - wall;
	cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("end %" PRIu64 " %" PRIu64 "\n", wall, cpu);
}

static void obey(const char *line)
{
	char name[32];
	uint64_t n;
	if (sscanf(line, "connect %" SCNu64, &n) == 1) {
		while (n--) {
			struct client *c = client_connect(proxy);
			client = client ? client : c;
		}
		puts("connected");
	} else if (!client) {
		die("not connected: %s", line);
	} else if (!strcmp(line, "deny\n")) {
		client_expect_denial(client);
		puts("denied");
	} else if (sscanf(line, "run %31s %" SCNu64, name, &n) == 2) {
		run(find(name), n);
	} else if (sscanf(line, "stall %" SCNu64, &n) == 1) {
		client_stall(client, (uint32_t)n);
		printf("stalled %" PRIu64 "\n", bus_flooded());
	} else {
		die("not a command: %s", line);
	}
}

int main(int argc, char **argv)
{
	char line[128];
	if (argc != 3)
		die("usage: load BUS_SOCKET PROXY_SOCKET");
	proxy = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	bus_start(argv[1]);
	puts("listening");
	while (fgets(line, sizeof line, stdin))
		obey(line);
	return 0;
}
