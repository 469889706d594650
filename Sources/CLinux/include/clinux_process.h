// The process: its programs, its memory, its clock.
#pragma once

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/// posix_spawnp with `end` as standard input and output, no signal blocked or ignored, and no more descriptors than are usual, however
/// many the gate may have. 0 or an error number.
static inline int clinux_spawn(const char *_Nonnull path, char *_Nullable *_Nonnull argv, int end) {
  extern char **environ;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  pid_t pid;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, end, 0);
  posix_spawn_file_actions_adddup2(&actions, end, 1);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  struct rlimit own, usual;
  int limited = !getrlimit(RLIMIT_NOFILE, &own);
  usual = own;
  if (limited && usual.rlim_cur > 1024) usual.rlim_cur = 1024;
  if (limited) setrlimit(RLIMIT_NOFILE, &usual);
  int r = posix_spawnp(&pid, path, &actions, &attributes, argv, environ);
  if (limited) setrlimit(RLIMIT_NOFILE, &own);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return r;
}

/// malloc_trim(3): whole free pages go back to the kernel, wherever they are.
static inline void clinux_give_back_memory(void) { malloc_trim(0); }

/// madvise(2) MADV_DONTNEED on the code of the program: pages of it come back from the page cache when they are used again. Nothing is
/// lost, since the program's text is mapped read-only and never written.
static inline void clinux_forget_code(void) {
  extern char __executable_start[], etext[];
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t start = (uintptr_t)__executable_start & ~(page - 1), end = (uintptr_t)etext & ~(page - 1);
  if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
}

static inline uint64_t clinux_monotonic_microseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static inline uint64_t clinux_nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t clinux_milliseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}
