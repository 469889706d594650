/*
 * load - the two ends of a proxy under test: the bus behind it and the clients in front of it, in
 * one process, cheap enough that the proxy is the slowest part. Uses no D-Bus library.
 *
 * It measures nothing but its own phases; who starts it (benchmarks/harness.py) starts the proxy too
 * and reads that process's clock between `begin` and `end`.
 *
 * usage: load BUS_SOCKET PROXY_SOCKET [LATENCIES [real]]
 * Serves BUS_SOCKET (`real`: joins the bus that listens there), prints `listening`, and obeys lines
 * of standard input:
 *
 *   connect N                                             N more clients, Hello said: connected
 *   deny                                                  an ERROR comes for a forbidden call: denied
 *   stall MIB                                             a client that does not read: stalled BYTES_TAKEN
 *   stall-service MIB                                     a service that does not read: stalled BYTES_TAKEN
 *   calls CLIENTS WINDOW PAYLOAD KINDS DESCRIPTORS N      N operations of a case: begin, waits for a
 *   denials WINDOW IN_WORDS N                             line, then end WALL_NS OWN_CPU_NS
 *   signals PAYLOAD HALF N
 *   connections N
 *
 * Latencies of the last operations go to the file LATENCIES (latency.h). Anything unexpected: one
 * line on standard error, exit status 1.
 */
#include "bus.h"
#include "calls.h"
#include "latency.h"
#include "service.h"
#include "signals.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CLIENTS_MAX 4096

static const char *proxy, *latencies;
static struct client *clients[CLIENTS_MAX];
static unsigned client_count;

enum { CALLS, DENIALS, SIGNALS, CONNECTIONS };
struct operations {
	int sort;
	struct calls calls;
	unsigned clients, payload, half;
	uint64_t count;
};

static void connect_and_close(uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++) {
		uint64_t begin = nanoseconds(CLOCK_MONOTONIC);
		client_close(client_connect(proxy));
		latency_add(nanoseconds(CLOCK_MONOTONIC) - begin);
	}
}

static void perform(const struct operations *o)
{
	switch (o->sort) {
	case CALLS:
	case DENIALS:
		calls_run(clients, o->clients, &o->calls, o->count);
		break;
	case SIGNALS:
		signals_run(clients[0], o->payload, o->half, o->count);
		break;
	case CONNECTIONS:
		connect_and_close(o->count);
		break;
	}
}

static void run(const struct operations *o)
{
	char go[8];
	latency_reset();
	puts("begin");
	if (!fgets(go, sizeof go, stdin))
		exit(0);
	uint64_t wall = nanoseconds(CLOCK_MONOTONIC), cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
	perform(o);
	wall = nanoseconds(CLOCK_MONOTONIC) - wall;
	cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	if (latencies)
		latency_write(latencies);
	printf("end %" PRIu64 " %" PRIu64 "\n", wall, cpu);
}

static void connect_more(uint64_t n)
{
	for (; n--; client_count++) {
		if (client_count == CLIENTS_MAX)
			die("no more than %d clients", CLIENTS_MAX);
		clients[client_count] = client_connect(proxy);
	}
	if (client_count)
		client_add_match(clients[0], "type='signal',sender='" SERVICE_NAME "'");
	puts("connected");
}

/* Fills o from a line that names operations. */
static bool read_operations(const char *line, struct operations *o)
{
	struct calls *calls = &o->calls;
	unsigned words;
	*o = (struct operations){ .clients = 1, .calls = { .window = 1, .payload_bytes = 16, .kinds = 1 } };
	if (sscanf(line, "calls %u %u %u %u %u %" SCNu64, &o->clients, &calls->window, &calls->payload_bytes,
		   &calls->kinds, &calls->descriptors, &o->count) == 6) {
		o->sort = CALLS;
	} else if (sscanf(line, "denials %u %u %" SCNu64, &calls->window, &words, &o->count) == 3) {
		o->sort = DENIALS;
		calls->fate = words ? DENIED_IN_WORDS : DENIED;
	} else if (sscanf(line, "signals %u %u %" SCNu64, &o->payload, &o->half, &o->count) == 3) {
		o->sort = SIGNALS;
	} else if (sscanf(line, "connections %" SCNu64, &o->count) == 1) {
		o->sort = CONNECTIONS;
	} else {
		return false;
	}
	return true;
}

static void obey(const char *line)
{
	struct operations o;
	uint64_t n;
	if (sscanf(line, "connect %" SCNu64, &n) == 1) {
		connect_more(n);
	} else if (!client_count) {
		die("not connected: %s", line);
	} else if (!strcmp(line, "deny\n")) {
		client_expect_denial(clients[0]);
		puts("denied");
	} else if (sscanf(line, "stall-service %" SCNu64, &n) == 1) {
		printf("stalled %" PRIu64 "\n", client_stall_service(client_connect(proxy), (uint32_t)n));
	} else if (sscanf(line, "stall %" SCNu64, &n) == 1) {
		client_stall(client_connect(proxy), (uint32_t)n);
		printf("stalled %" PRIu64 "\n", service_flooded());
	} else if (read_operations(line, &o)) {
		if (o.clients > client_count)
			die("%u clients, and only %u are connected", o.clients, client_count);
		run(&o);
	} else {
		die("not a command: %s", line);
	}
}

int main(int argc, char **argv)
{
	char line[128];
	if (argc < 3)
		die("usage: load BUS_SOCKET PROXY_SOCKET [LATENCIES [real]]");
	proxy = argv[2];
	latencies = argc > 3 ? argv[3] : NULL;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 4)
		bus_join(argv[1]);
	else
		bus_start(argv[1]);
	puts("listening");
	while (fgets(line, sizeof line, stdin))
		obey(line);
	return 0;
}
