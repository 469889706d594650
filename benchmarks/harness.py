"""What benchmarks/run and benchmarks/footprint share: the proxies, starting one behind the load, its clocks and memory.

Standard library only. Every process started here is stopped here, by its own id.
"""

import argparse
import os
import pathlib
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent
BUILT = TOP / "build" / "bench"
PATIENCE_SECONDS = 180  # for any one answer of the load; the slowest, a thousand clients of a slow proxy on a busy machine, takes seconds


# A thousand clients are two thousand descriptors of the load and of the proxy.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


class Failure(Exception):
    """The proxy (or the load) did not do what it must; the text says what."""


class Proxy:
    """One program under test: how to start it in a setup, and what it is called in tables."""

    def __init__(self, name, program, arguments, environment=lambda setup: {}, filters=True):
        self.name, self.program, self.arguments, self.environment, self.filters = name, str(program), arguments, environment, filters

    def missing(self):
        """Why it can't be measured, or None."""
        return None if shutil.which(self.program) else f"{self.program} is not there"

    def command(self, directory, bus, ready, setup):
        return [self.program, *map(str, self.arguments(f"{directory}/proxy", bus, ready, setup))]


def busgate_arguments(listen, bus, ready, setup):
    config = pathlib.Path(listen).with_name("rules.json")
    config.write_text(setup.document())
    # A thousand clients are more than a container's share of a bus, which is the default.
    limits = [f"--limit={name}=2000" for name in ("connections-max", "bus-connections-total")]
    return ["run", "--config", config, "--session", listen, "--bus", f"session=unix:path={bus}", "--ready-fd", ready, "--log", "none", *limits]


def proxies():
    """Every proxy, in the order of the tables' columns. The yardsticks find the ready descriptor in READY_FD."""
    return [
        Proxy("pump", BUILT / "pump", lambda listen, bus, ready, setup: [listen, bus], filters=False),
        Proxy("pump_filter", BUILT / "pump_filter", lambda listen, bus, ready, setup: [listen, bus, *setup.yardstick()],
              lambda setup: setup.yardstick_environment()),
        Proxy("busgate", TOP / "build" / "bin" / "busgate", busgate_arguments),
        Proxy("xdg-dbus-proxy", "/usr/bin/xdg-dbus-proxy",
              lambda listen, bus, ready, setup: [f"--fd={ready}", f"unix:path={bus}", listen, "--filter", *setup.names()]),
    ]


def choose(options):
    """The proxies that can run, after --program and --only; says which can't and why."""
    chosen = proxies()
    for proxy in chosen:
        proxy.program = dict(options.program).get(proxy.name, proxy.program)
    if options.only:
        chosen = [proxy for proxy in chosen if proxy.name in options.only]
    for proxy in chosen:
        if proxy.missing():
            print(f"skipped: {proxy.name}: {proxy.missing()}")
    return [proxy for proxy in chosen if not proxy.missing()]


def names():
    return [proxy.name for proxy in proxies()]


def other_build(setting):
    name, equals, program = setting.partition("=")
    if not equals or name not in names():
        raise argparse.ArgumentTypeError(f"{setting}: expected NAME=PATH, NAME one of {', '.join(names())}")
    return name, program


def add_options(parser):
    parser.add_argument("--only", action="append", choices=names(), help="only this proxy (repeatable)")
    parser.add_argument("--program", action="append", type=other_build, default=[], metavar="NAME=PATH",
                        help="another build of a proxy (repeatable)")


def build():
    subprocess.run(["make", "-s", "-C", str(HERE)], check=True)


def pin(cpus):
    return (lambda: os.sched_setaffinity(0, cpus)) if cpus else None


class Load:
    """The load generator of load/load.c: one line out, one line back."""

    def __init__(self, bus, directory, is_real, cpus):
        self.latencies = f"{directory}/latencies"
        command = [BUILT / "load", bus, f"{directory}/proxy", self.latencies] + ["real"] * is_real
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=pin(cpus))
        self.answer("listening")

    def ask(self, line, expected):
        """Sends a command and returns the words behind the expected first one."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer(expected)

    def answer(self, expected):
        if not select.select([self.process.stdout], [], [], PATIENCE_SECONDS)[0]:
            raise Failure(f"no answer within {PATIENCE_SECONDS} s, expected '{expected}'")
        words = self.process.stdout.readline().split()
        if words[:1] != [expected]:
            self.process.kill()
            reason = self.process.stderr.read().strip().splitlines()
            raise Failure(reason[0] if reason else f"the load said {words}, expected '{expected}'")
        return [int(word) for word in words[1:]]


class Bench:
    """One proxy between one bus and its clients, in a directory of its own; a context manager.

    `bus` is `fake` (the load's own) or the name of a real one; `wrapper` a program and arguments to run the proxy under.
    """

    def __init__(self, proxy, setup, load_cpus=None, proxy_cpus=None, bus="fake", wrapper=(), flags=()):
        self.proxy, self.setup, self.load_cpus, self.proxy_cpus = proxy, setup, load_cpus, proxy_cpus
        self.bus, self.wrapper, self.flags = bus, list(wrapper), list(flags)
        self.load = self.process = self.ready = self.real = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="busgate-bench-")
        try:
            path = f"{self.directory}/bus"
            if self.bus != "fake":
                self.real = subprocess.Popen([HERE / "real-bus", self.bus, self.directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             text=True, preexec_fn=pin(self.load_cpus))
                path = self.real.stdout.readline().strip()
            self.load = Load(path, self.directory, self.bus != "fake", self.load_cpus)
            self.start(path)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, bus):
        """Starts the proxy and waits for its ready byte. The descriptor stays open: xdg-dbus-proxy ends with it."""
        self.ready, theirs = os.pipe()
        command = self.wrapper + self.proxy.command(self.directory, bus, theirs, self.setup) + self.flags
        try:
            # What xdg-dbus-proxy says of each client that has gone is of no interest; what busgate says is.
            quiet = None if self.proxy.name == "busgate" else subprocess.DEVNULL
            self.process = subprocess.Popen(command, pass_fds=[theirs], stdin=subprocess.DEVNULL, stderr=quiet, preexec_fn=pin(self.proxy_cpus),
                                            env={**os.environ, "READY_FD": str(theirs), **self.proxy.environment(self.setup)})
        finally:
            os.close(theirs)
        if not select.select([self.ready], [], [], PATIENCE_SECONDS)[0] or not os.read(self.ready, 1):
            raise Failure("was never ready")

    def prepare(self):
        """Connects the clients of the setup, sees that the proxy filters, and stalls who is to stall."""
        self.load.ask(f"connect {self.setup.clients}", "connected")
        if self.proxy.filters:
            self.load.ask("deny", "denied")
        for line, expected in self.setup.before:
            self.load.ask(line, expected)

    def begin(self, case, operations):
        """Has the load ready for so many operations, which `end` starts and awaits: wall time and the load's own, in nanoseconds."""
        self.load.ask(f"{case.line.format(in_words=int(self.proxy.name == 'busgate'))} {operations}", "begin")

    def end(self):
        return self.load.ask("", "end")

    def __exit__(self, *_):
        for process in (self.load and self.load.process, self.process):
            if process:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(PATIENCE_SECONDS / 10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if self.real:
            self.real.communicate()
        if self.load:
            for stream in (self.load.process.stdin, self.load.process.stdout, self.load.process.stderr):
                try:
                    stream.close()
                except BrokenPipeError:
                    pass  # a command that a dead load did not read
        if self.ready is not None:
            os.close(self.ready)
        shutil.rmtree(self.directory, ignore_errors=True)

    def cpu_nanoseconds(self):
        """CPU time of the proxy, all its threads, from the kernel's nanosecond clock of that process.

        The sum that /proc/PID/task/*/schedstat shows, ended threads included (clock_getcpuclockid(3)).
        """
        return time.clock_gettime_ns((~self.process.pid << 3) | 2)

    def cpu_ticks(self):
        """User and system time as /proc/PID/stat counts them: sampled, in hundredths of a second."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]), int(fields[12])

    def memory(self, key, file="status"):
        """A line of /proc/PID/status or smaps_rollup, in KiB; None where the kernel does not let us look."""
        try:
            for line in pathlib.Path(f"/proc/{self.process.pid}/{file}").read_text().splitlines():
                if line.startswith(key + ":"):
                    return int(line.split()[1])
        except PermissionError:  # smaps_rollup of an undumpable process, without CAP_SYS_PTRACE
            pass
        return None


def print_table(title, header, rows):
    """Columns as wide as their widest cell; the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [header] + rows) for column in range(len(header))]
    print(f"\n{title}\n")
    for row in [header] + rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  " + "   ".join(cells).rstrip())
