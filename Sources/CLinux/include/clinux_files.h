// Files and descriptors of any kind, and splice(2).
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int clinux_open(const char *_Nonnull path, int flags) { int r = open(path, flags | O_CLOEXEC); return r < 0 ? -errno : r; }

static inline ssize_t clinux_read(int fd, void *_Nonnull p, size_t n) { ssize_t r = read(fd, p, n); return r < 0 ? -errno : r; }

static inline ssize_t clinux_write(int fd, const void *_Nonnull p, size_t n) { ssize_t r = write(fd, p, n); return r < 0 ? -errno : r; }

/// write(2) without SIGPIPE, which a pipe has no flag for: it is held back from this thread, and taken if it came of this call.
static inline ssize_t clinux_write_unsignalled(int fd, const void *_Nonnull p, size_t n) {
  const struct timespec at_once = {0, 0};
  sigset_t pipe, before, pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  sigpending(&pending);
  ssize_t r = clinux_write(fd, p, n);
  if (r == -EPIPE && !sigismember(&pending, SIGPIPE)) sigtimedwait(&pipe, NULL, &at_once);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return r;
}

/// Whether a write of up to PIPE_BUF bytes would not block.
static inline int clinux_is_writable(int fd) {
  struct pollfd p = {fd, POLLOUT, 0};
  return poll(&p, 1, 0) == 1 && (p.revents & (POLLOUT | POLLERR | POLLHUP));
}

/// close_range(2), Linux 5.9: all descriptors from `first` to `last`.
static inline int clinux_close_range(int first, int last) { return syscall(SYS_close_range, first, last, 0) ? -errno : 0; }

#define CLINUX_O_PATH 010000000 // O_PATH and AT_EMPTY_PATH hide behind _GNU_SOURCE
/// fchownat(2) of the file that a descriptor of any kind is open on.
static inline int clinux_change_owner(int fd, uint32_t owner, uint32_t group) {
  return fchownat(fd, "", owner, group, 0x1000) ? -errno : 0;
}

/// What /proc/self/fdinfo says of a descriptor, open for reading. See proc_pid_fdinfo(5).
static inline int clinux_open_info(int fd) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  int r = open(path, O_RDONLY | O_CLOEXEC);
  return r < 0 ? -errno : r;
}

// splice and pipe2 hide behind _GNU_SOURCE.
ssize_t splice(int, off_t *_Nullable, int, off_t *_Nullable, size_t, unsigned);
int pipe2(int *_Nonnull, int);
/// splice(2), without waiting.
static inline ssize_t clinux_splice(int from, int to, size_t n) {
  ssize_t r = splice(from, NULL, to, NULL, n, 3 /* SPLICE_F_MOVE | SPLICE_F_NONBLOCK */);
  return r < 0 ? -errno : r;
}

/// A pipe that does not block, of `capacity` bytes if the kernel grants that many.
static inline int clinux_pipe(int32_t *_Nonnull read_end, int32_t *_Nonnull write_end, int capacity) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK)) return -errno;
  fcntl(fds[0], 1031 /* F_SETPIPE_SZ */, capacity);
  *read_end = fds[0];
  *write_end = fds[1];
  return 0;
}

/// Whether writing to a peer that is gone raises no signal: splice(2) cannot be told so by a flag.
static inline int clinux_ignores_sigpipe(void) {
  struct sigaction action;
  return !sigaction(SIGPIPE, NULL, &action) && action.sa_handler == SIG_IGN;
}
