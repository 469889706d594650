/*
 * startup - how long a program takes from exec to ready.
 *
 * Starts it COUNT times, one after the other, with a pipe as descriptor 3 (and READY_FD=3 in its
 * environment), waits for the first byte, stops it with SIGTERM, and prints for each start the
 * nanoseconds until then, and the process's CPU time from exec to end. In C, since starting a process from Python takes longer than what is measured.
 *
 * usage: startup COUNT PROGRAM ARGUMENT...
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void start(char **argv)
{
	posix_spawn_file_actions_t actions;
	struct rusage used;
	int ready[2], status;
	pid_t pid;
	char byte;

	if (pipe2(ready, O_CLOEXEC)) {
		perror("startup");
		exit(1);
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ready[1], 3);
	uint64_t begin = now();
	int error = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	if (error) {
		fprintf(stderr, "startup: %s: %s\n", argv[0], strerror(error));
		exit(1);
	}
	close(ready[1]);
	ssize_t n = read(ready[0], &byte, 1);
	uint64_t end = now();
	kill(pid, SIGTERM);
	wait4(pid, &status, 0, &used);
	close(ready[0]);
	posix_spawn_file_actions_destroy(&actions);
	if (n != 1) {
		fprintf(stderr, "startup: %s ended before it was ready\n", argv[0]);
		exit(1);
	}
	uint64_t cpu = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000u +
		(uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
	printf("%" PRIu64 " %" PRIu64 "\n", end - begin, cpu * 1000);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("startup: usage: startup COUNT PROGRAM ARGUMENT...\n", stderr);
		return 1;
	}
	setenv("READY_FD", "3", 1);
	for (int i = atoi(argv[1]); i > 0; i--)
		start(argv + 2);
	return 0;
}
