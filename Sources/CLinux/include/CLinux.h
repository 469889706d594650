// What Swift cannot import: the CMSG macros, errno as a value, and calls that Glibc's module hides. No logic: every function is
// one system call, or one call and its macros. Failures come back as -errno.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <linux/sockios.h>

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0x40000000
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
// accept4 and struct ucred hide behind _GNU_SOURCE, under which other headers would differ from Swift's own import of them.
int accept4(int, struct sockaddr *_Nullable, socklen_t *_Nullable, int);
struct clinux_credentials { int32_t pid; uint32_t uid; uint32_t gid; };

#define CLINUX_DESCRIPTORS_MAX 253 // the kernel's SCM_MAX_FD

/// recvmsg(2). Descriptors come CLOEXEC into `fds` (room for 253), their number into `count`; `truncated` is set if the kernel lost any.
static inline ssize_t clinux_receive(int fd, void *_Nonnull buffer, size_t capacity, int32_t *_Nonnull fds,
                                     uint32_t *_Nonnull count, int32_t *_Nonnull truncated) {
  union { char bytes[CMSG_SPACE(CLINUX_DESCRIPTORS_MAX * sizeof(int)) + CMSG_SPACE(64)]; struct cmsghdr align; } control;
  struct iovec io = {buffer, capacity};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  *count = 0;
  *truncated = 0;
  if (n < 0) return -errno;
  if (m.msg_flags & MSG_CTRUNC) *truncated = 1;
  if (m.msg_controllen)
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
      if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        size_t k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds + *count, CMSG_DATA(c), k * sizeof(int));
        *count += (uint32_t)k;
      }
  return n;
}

/// sendmsg(2) of `parts` buffers, with `count` descriptors (at most 253) on the first byte.
static inline ssize_t clinux_send(int fd, struct iovec *_Nonnull iov, uint32_t parts, const int32_t *_Nullable fds, uint32_t count) {
  union { char bytes[CMSG_SPACE(CLINUX_DESCRIPTORS_MAX * sizeof(int))]; struct cmsghdr align; } control;
  struct msghdr m = {.msg_iov = iov, .msg_iovlen = parts};
  if (count) {
    m.msg_control = control.bytes;
    m.msg_controllen = CMSG_SPACE(count * sizeof(int));
    memset(control.bytes, 0, m.msg_controllen);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
  }
  ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
  return n < 0 ? -errno : n;
}

static inline int clinux_epoll_create(void) { int r = epoll_create1(EPOLL_CLOEXEC); return r < 0 ? -errno : r; }
static inline int clinux_epoll_control(int ep, int op, int fd, uint32_t events, uint64_t token) {
  struct epoll_event e = {.events = events, .data = {.u64 = token}};
  return epoll_ctl(ep, op, fd, &e) ? -errno : 0;
}
static inline int clinux_epoll_wait(int ep, struct epoll_event *_Nonnull events, int max, int timeout) {
  int r = epoll_wait(ep, events, max, timeout);
  return r < 0 ? -errno : r;
}
static inline uint64_t clinux_epoll_token(const struct epoll_event *_Nonnull e) { return e->data.u64; }

static inline int clinux_socket_unix(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd < 0 ? -errno : fd;
}
/// A Unix address of `length` bytes; an abstract one starts with NUL. -ENAMETOOLONG if it does not fit.
static inline int clinux_address(struct sockaddr_un *_Nonnull a, socklen_t *_Nonnull size, const uint8_t *_Nonnull bytes, size_t length) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  int abstract = length > 0 && bytes[0] == 0;
  if (length + (abstract ? 0 : 1) > sizeof a->sun_path) return -ENAMETOOLONG;
  memcpy(a->sun_path, bytes, length);
  *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
  return 0;
}
static inline int clinux_connect(int fd, const uint8_t *_Nonnull bytes, size_t length) {
  struct sockaddr_un a; socklen_t size; int r = clinux_address(&a, &size, bytes, length);
  return r ? r : connect(fd, (struct sockaddr *)&a, size) ? -errno : 0;
}
static inline int clinux_bind(int fd, const uint8_t *_Nonnull bytes, size_t length) {
  struct sockaddr_un a; socklen_t size; int r = clinux_address(&a, &size, bytes, length);
  return r ? r : bind(fd, (struct sockaddr *)&a, size) ? -errno : 0;
}
static inline int clinux_listen(int fd, int backlog) { return listen(fd, backlog) ? -errno : 0; }
static inline int clinux_accept(int fd) {
  int r = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return r < 0 ? -errno : r;
}
static inline int clinux_shutdown(int fd, int how) { return shutdown(fd, how) ? -errno : 0; }
/// SO_PEERCRED, see unix(7).
static inline int clinux_peer_credentials(int fd, struct clinux_credentials *_Nonnull c) {
  socklen_t size = sizeof *c;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, c, &size) ? -errno : 0;
}
/// Whether a connected socket leads to `listener`: the same name, listened on by the same process (getpeername(2), SO_PEERCRED).
static inline int clinux_leads_to(int fd, int listener) {
  struct clinux_credentials own, peer;
  struct sockaddr_un own_name, peer_name;
  socklen_t own_size = sizeof own_name, peer_size = sizeof peer_name;
  if (getsockname(listener, (struct sockaddr *)&own_name, &own_size)) return 0;
  if (getpeername(fd, (struct sockaddr *)&peer_name, &peer_size)) return 0;
  if (own_size != peer_size || memcmp(&own_name, &peer_name, own_size)) return 0;
  return !clinux_peer_credentials(listener, &own) && !clinux_peer_credentials(fd, &peer) && own.pid == peer.pid;
}
/// SO_PEERPIDFD (Linux 6.5): a descriptor that keeps naming the peer's process even when its number is used again.
static inline int clinux_peer_pidfd(int fd) {
  int pidfd = -1; socklen_t size = sizeof pidfd;
  return getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) ? -errno : pidfd;
}
static inline int clinux_pidfd_is_alive(int pidfd) {
  return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 || errno == EPERM;
}
/// Bytes that were sent and not yet received by the peer (SIOCOUTQ), or -errno.
static inline int clinux_unread_by_peer(int fd) { int n = 0; return ioctl(fd, SIOCOUTQ, &n) ? -errno : n; }
/// Bytes that came and were not read yet (FIONREAD), or -errno.
static inline int clinux_unread(int fd) { int n = 0; return ioctl(fd, FIONREAD, &n) ? -errno : n; }
/// Whether the peer has closed its socket.
static inline int clinux_is_hung_up(int fd) {
  struct pollfd p = {fd, 0, 0};
  return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}
/// Whether a client waits to be accepted.
static inline int clinux_is_asked(int fd) {
  struct pollfd p = {fd, POLLIN, 0};
  return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}
/// recv(2) that does not wait, without descriptors: what comes is closed.
static inline ssize_t clinux_receive_now(int fd, void *_Nonnull p, size_t n) {
  ssize_t r = recv(fd, p, n, MSG_DONTWAIT);
  return r < 0 ? -errno : r;
}
/// Whether a write of up to PIPE_BUF bytes would not block.
static inline int clinux_is_writable(int fd) {
  struct pollfd p = {fd, POLLOUT, 0};
  return poll(&p, 1, 0) == 1 && (p.revents & (POLLOUT | POLLERR | POLLHUP));
}
static inline ssize_t clinux_write(int fd, const void *_Nonnull p, size_t n) { ssize_t r = write(fd, p, n); return r < 0 ? -errno : r; }
/// send(2) that neither waits nor raises SIGPIPE.
static inline ssize_t clinux_send_now(int fd, const void *_Nonnull p, size_t n) {
  ssize_t r = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
  return r < 0 ? -errno : r;
}
/// One datagram of `n` bytes to the socket called `name`.
static inline ssize_t clinux_send_datagram(int fd, const uint8_t *_Nonnull name, size_t length, const void *_Nonnull p, size_t n) {
  struct sockaddr_un a; socklen_t size; int error = clinux_address(&a, &size, name, length);
  if (error) return error;
  ssize_t r = sendto(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&a, size);
  return r < 0 ? -errno : r;
}
static inline ssize_t clinux_read(int fd, void *_Nonnull p, size_t n) { ssize_t r = read(fd, p, n); return r < 0 ? -errno : r; }
static inline int clinux_open(const char *_Nonnull path, int flags) { int r = open(path, flags | O_CLOEXEC); return r < 0 ? -errno : r; }
/// A descriptor that becomes readable on the given signals, which are blocked for the process from then on.
static inline int clinux_signals(const int32_t *_Nonnull signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  if (sigprocmask(SIG_BLOCK, &set, NULL)) return -errno;
  int r = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return r < 0 ? -errno : r;
}
#define CLINUX_O_PATH 010000000 // O_PATH and AT_EMPTY_PATH hide behind _GNU_SOURCE
/// fchownat(2) of the file that a descriptor of any kind is open on.
static inline int clinux_change_owner(int fd, uint32_t owner, uint32_t group) {
  return fchownat(fd, "", owner, group, 0x1000) ? -errno : 0;
}
/// A datagram socket on which sending waits at most `milliseconds`.
static inline int clinux_socket_datagram(int milliseconds) {
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  struct timeval t = {milliseconds / 1000, milliseconds % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
  return fd;
}
/// Two connected sockets, the first non-blocking, both closed on exec.
static inline int clinux_socket_pair(int32_t *_Nonnull ours, int32_t *_Nonnull theirs) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) return -errno;
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  *ours = fds[0];
  *theirs = fds[1];
  return 0;
}
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
/// Whether `fd` is a Unix stream socket that listens.
static inline int clinux_is_listening_unix(int fd) {
  int domain = 0, type = 0, accepts = 0;
  socklen_t size = sizeof(int);
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) || domain != AF_UNIX) return 0;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) || type != SOCK_STREAM) return 0;
  return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) && accepts;
}
/// Whether `fd` is bound to a path, rather than to an abstract name or none. See unix(7).
static inline int clinux_is_bound_to_path(int fd) {
  struct sockaddr_un a;
  socklen_t size = sizeof a;
  if (getsockname(fd, (struct sockaddr *)&a, &size)) return 0;
  return size > offsetof(struct sockaddr_un, sun_path) && a.sun_path[0] != 0;
}
/// Non-blocking, and closed on exec.
static inline int clinux_make_private(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC)) return -errno;
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ? -errno : 0;
}
/// The next pending signal of a descriptor from clinux_signals, 0 if none.
static inline int clinux_next_signal(int fd) {
  struct signalfd_siginfo info;
  return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}
/// malloc_trim(3): whole free pages go back to the kernel, wherever they are.
static inline void clinux_give_back_memory(void) { malloc_trim(0); }
/// close(2) of descriptors that are open; those whose numbers follow each other, as of one message, in one call (close_range(2), Linux 5.9).
static inline void clinux_close_all(const int32_t *_Nonnull fds, size_t count) {
  for (size_t first = 0, end; first < count; first = end) {
    for (end = first + 1; end < count && fds[end] == fds[end - 1] + 1;) end++;
    if (end - first > 1 && !syscall(SYS_close_range, fds[first], fds[end - 1], 0)) continue;
    for (size_t i = first; i < end; i++) close(fds[i]);
  }
}
/// Bytes that wait in a Unix socket, none of which come with descriptors; 0 where some do. `info` is the socket's file of
/// /proc/PID/fdinfo, whose line scm_fds says how many descriptors wait (Linux 5.8, proc_pid_fdinfo(5)). -ENOSYS if there is no such line.
static inline int clinux_plain_bytes(int fd, int info) {
  static const char key[] = "scm_fds:";
  char text[512];
  int count = 0;
  // In this order: a descriptor that comes in between is seen, and belongs to bytes behind those that were counted.
  if (ioctl(fd, FIONREAD, &count)) return -errno;
  ssize_t n = pread(info, text, sizeof text - 1, 0);
  if (n < 0) return -errno;
  text[n] = 0;
  const char *line = strstr(text, key);
  if (!line) return -ENOSYS;
  return strtoul(line + sizeof key - 1, NULL, 10) ? 0 : count;
}
/// The file that clinux_plain_bytes reads.
static inline int clinux_open_info(int fd) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  int r = open(path, O_RDONLY | O_CLOEXEC);
  return r < 0 ? -errno : r;
}
/// SO_SNDBUF: the kernel grants up to net.core.wmem_max, and doubles it.
static inline void clinux_set_send_buffer(int fd, int count) { setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &count, sizeof count); }
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
/// A descriptor that becomes readable at a time of the same clock as clinux_milliseconds.
static inline int clinux_timer(void) { int r = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); return r < 0 ? -errno : r; }
static inline int clinux_set_timer(int fd, uint64_t milliseconds) {
  struct itimerspec t = {.it_value = {.tv_sec = (time_t)(milliseconds / 1000u), .tv_nsec = (long)(milliseconds % 1000u) * 1000000}};
  return timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL) ? -errno : 0;
}
static inline void clinux_forget_expiry(int fd) { uint64_t count; (void)!read(fd, &count, sizeof count); }
static inline uint64_t clinux_milliseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}
