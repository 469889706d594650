// Unix sockets: addresses, connecting and listening, messages with descriptors, what waits in a socket.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <linux/sockios.h>

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0x40000000
#endif
// accept4 hides behind _GNU_SOURCE, under which other headers would differ from Swift's own import of them.
int accept4(int, struct sockaddr *_Nullable, socklen_t *_Nullable, int);

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

/// recv(2) that does not wait, without descriptors: what comes is closed.
static inline ssize_t clinux_receive_now(int fd, void *_Nonnull p, size_t n) {
  ssize_t r = recv(fd, p, n, MSG_DONTWAIT);
  return r < 0 ? -errno : r;
}

/// send(2) that neither waits nor raises SIGPIPE.
static inline ssize_t clinux_send_now(int fd, const void *_Nonnull p, size_t n) {
  ssize_t r = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
  return r < 0 ? -errno : r;
}

static inline int clinux_socket_unix(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd < 0 ? -errno : fd;
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

/// One datagram of `n` bytes to the socket called `name`.
static inline ssize_t clinux_send_datagram(int fd, const uint8_t *_Nonnull name, size_t length, const void *_Nonnull p, size_t n) {
  struct sockaddr_un a; socklen_t size; int error = clinux_address(&a, &size, name, length);
  if (error) return error;
  ssize_t r = sendto(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&a, size);
  return r < 0 ? -errno : r;
}

static inline int clinux_listen(int fd, int backlog) { return listen(fd, backlog) ? -errno : 0; }

static inline int clinux_accept(int fd) {
  int r = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return r < 0 ? -errno : r;
}

static inline int clinux_shutdown(int fd, int how) { return shutdown(fd, how) ? -errno : 0; }

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

/// The address that `fd` is bound to, at most `capacity` bytes of it: a path without its NUL, or NUL and an abstract name. Returns their number; 0:
/// it is bound to none. See unix(7).
static inline size_t clinux_bound_name(int fd, uint8_t *_Nonnull bytes, size_t capacity) {
  struct sockaddr_un a;
  socklen_t size = sizeof a;
  if (getsockname(fd, (struct sockaddr *)&a, &size) || a.sun_family != AF_UNIX || size <= offsetof(struct sockaddr_un, sun_path)) return 0;
  size_t count = (size < sizeof a ? size : sizeof a) - offsetof(struct sockaddr_un, sun_path);
  if (a.sun_path[0]) count = strnlen(a.sun_path, count);
  if (count > capacity) count = capacity;
  memcpy(bytes, a.sun_path, count);
  return count;
}

/// Non-blocking, and closed on exec.
static inline int clinux_make_private(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC)) return -errno;
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ? -errno : 0;
}

/// SO_SNDBUF: the kernel grants up to net.core.wmem_max, and doubles it.
static inline void clinux_set_send_buffer(int fd, int count) { setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &count, sizeof count); }

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
