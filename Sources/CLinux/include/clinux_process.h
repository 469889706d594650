// The process: its programs, its memory, its clock.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// What a child made by vfork(2) does in its parent's memory: nothing but calls, and all signals are blocked, so no handler runs there.
/// execvp(3) with `end` as standard input and output, no signal ignored or blocked, and no more descriptors than are usual, however many the
/// gate may have. Comes back with an error number.
static inline int clinux_become(const char *_Nonnull path, char *_Nullable *_Nonnull argv, int end) {
  uint64_t none = 0, usual[4] = {0}; // the kernel's own struct sigaction: SIG_DFL is 0
  struct rlimit limit;
  for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, usual, NULL, sizeof none);
  if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur > 1024) {
    limit.rlim_cur = 1024;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (dup2(end, 0) < 0 || dup2(end, 1) < 0) return errno;
  if (fcntl(0, F_SETFD, 0) || fcntl(1, F_SETFD, 0)) return errno; // dup2 leaves what was there already
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
  execvp(path, argv);
  return errno;
}

/// Starts a program as clinux_become has it. posix_spawn(3) sets no limits: those of the caller would have to change meanwhile, which are the
/// whole process's, or those of the child after it has begun to run. 0 or an error number.
static inline int clinux_spawn(const char *_Nonnull path, char *_Nullable *_Nonnull argv, int end) {
  uint64_t all = ~UINT64_C(0), own; // sigprocmask would leave out the C library's own signals
  volatile int error = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &own, sizeof all);
  pid_t pid = vfork();
  if (pid == 0) {
    error = clinux_become(path, argv, end);
    _exit(127);
  }
  if (pid < 0) error = errno;
  if (pid > 0 && error) waitpid(pid, NULL, 0);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &own, NULL, sizeof own);
  return error;
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
