/*
 * latency - nanoseconds from sending to answer, kept as pairs of value and count, and written to a
 * file of native u64 pairs, which benchmarks/harness.py puts into an HdrHistogram.
 */
#pragma once
#include <stdint.h>
#include <time.h>

void latency_reset(void);
void latency_add(uint64_t nanoseconds);
void latency_write(const char *path);

static inline uint64_t nanoseconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
