// The process that the sidecar is: signals and limits, set up before anything else.

import CLinux
import Glibc

/// Ignores signals: a peer that is gone is reported by EPIPE, and a file that may not grow by EFBIG. Programs of unixexec leave
/// no zombies when they end.
func clearSignals() {
  _ = signal(SIGPIPE, SIG_IGN)
  _ = signal(SIGXFSZ, SIG_IGN)
  _ = signal(SIGCHLD, SIG_IGN)
}

/// Holds SIGHUP back until the loop runs, which then does the reload: before that the signal would end the process.
func holdReloads() {
  var reloads = sigset_t()
  unsafe sigemptyset(&reloads)
  unsafe sigaddset(&reloads, SIGHUP)
  unsafe sigprocmask(SIG_BLOCK, &reloads, nil)
}

/// Opens standard input, output and error where they are closed: else the next sockets would get their numbers, and what is read
/// or logged would be a client's.
func openStandardDescriptors() {
  for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
    // The lowest free number is this one.
    if unsafe open("/dev/null", O_RDWR) != descriptor { exit(ExitStatus.system) }
  }
}

/// Two descriptors a connection, and those that messages carry: as many as the administrator lets us have.
func raiseDescriptorLimit() {
  var limit = rlimit()
  if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 { return }
  limit.rlim_cur = min(limit.rlim_max, 65536)
  _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

/// Most of the program's code that was used until now is used once, and need not stay mapped. At the start: 6.0 -> 1.3 MiB resident.
func forgetStartUpCode() { clinux_forget_code() }
