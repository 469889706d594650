// The process that the sidecar is: signals and limits, set up before anything else.

import CLinux
import Glibc

/// A peer that is gone is told by EPIPE, not by a signal; programs of unixexec leave nothing behind when they end.
func clearSignals() {
  _ = signal(SIGPIPE, SIG_IGN)
  _ = signal(SIGCHLD, SIG_IGN)
}

/// Standard input, output and error that are closed would be the next sockets we open, and what we read or log would be a client's.
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

/// Most of the program's code that was used until now is used once, at the start, and need not stay mapped: 6.0 -> 1.3 MiB resident.
func forgetStartUpCode() { clinux_forget_code() }
