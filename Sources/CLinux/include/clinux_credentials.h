// Who is at the other end of a socket. See unix(7).
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
// struct ucred hides behind _GNU_SOURCE.
struct clinux_credentials { int32_t pid; uint32_t uid; uint32_t gid; };

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

/// Whether the kernel has that. What a socket without a peer is asked for fails in another way.
static inline int clinux_has_peer_pidfd(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 1;
  int pidfd = clinux_peer_pidfd(fd);
  if (pidfd >= 0) close(pidfd);
  close(fd);
  return pidfd != -ENOPROTOOPT;
}

/// Linux 5.3.
static inline int clinux_pidfd_open(int32_t pid) {
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  return pidfd < 0 ? -errno : pidfd;
}

static inline int clinux_pidfd_is_alive(int pidfd) {
  return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 || errno == EPERM;
}
