// epoll(7), and what the loop waits for with it: timers and signals.
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

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

/// A descriptor that becomes readable at a time of the same clock as clinux_milliseconds.
static inline int clinux_timer(void) { int r = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); return r < 0 ? -errno : r; }

static inline int clinux_set_timer(int fd, uint64_t milliseconds) {
  struct itimerspec t = {.it_value = {.tv_sec = (time_t)(milliseconds / 1000u), .tv_nsec = (long)(milliseconds % 1000u) * 1000000}};
  return timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL) ? -errno : 0;
}

static inline void clinux_forget_expiry(int fd) { uint64_t count; (void)!read(fd, &count, sizeof count); }

/// A descriptor that becomes readable on the signals in `set`, which are blocked for the process from then on.
static inline int clinux_signals(const sigset_t *_Nonnull set) {
  if (sigprocmask(SIG_BLOCK, set, NULL)) return -errno;
  int r = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
  return r < 0 ? -errno : r;
}

/// The next pending signal of a descriptor from clinux_signals, 0 if none.
static inline int clinux_next_signal(int fd) {
  struct signalfd_siginfo info;
  return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}
