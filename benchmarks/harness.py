"""What benchmarks/run and benchmarks/footprint share: the proxies, starting one behind the load, its clocks and memory.

Standard library only. Every process started here is stopped here, by its own id.
"""

import argparse
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent
BUILT = TOP / "build" / "bench"
PATIENCE_SECONDS = 60  # for any one answer of the load; the slowest phase takes about two


class Failure(Exception):
    """The proxy (or the load) did not do what it must; the text says what."""


class Proxy:
    """One program under test: how to start it, and what it is called in tables."""

    def __init__(self, name, program, arguments, filters=True):
        self.name, self.program, self.arguments, self.filters = name, str(program), arguments, filters

    def missing(self):
        """Why it can't be measured, or None."""
        return None if shutil.which(self.program) else f"{self.program} is not there"

    def command(self, listen, bus, ready):
        values = {"listen": listen, "bus": bus, "ready": ready, "here": HERE}
        return [self.program] + [argument.format(**values) for argument in self.arguments]


def proxies():
    """Every proxy, in the order of the tables' columns. The yardsticks find the ready descriptor in READY_FD."""
    return [
        Proxy("pump", BUILT / "pump", ["{listen}", "{bus}"], filters=False),
        Proxy("pump_filter", BUILT / "pump_filter", ["{listen}", "{bus}"]),
        Proxy(
            "busgate",
            TOP / "build" / "bin" / "busgate",
            ["run", "--config", "{here}/load/load.json", "--session", "{listen}", "--bus", "session=unix:path={bus}",
             "--ready-fd", "{ready}", "--log", "none"],
        ),
        Proxy(
            "xdg-dbus-proxy",
            "/usr/bin/xdg-dbus-proxy",
            ["--fd={ready}", "unix:path={bus}", "{listen}", "--filter", "--talk=com.example.Load"],
        ),
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

    def __init__(self, bus, listen, cpus):
        self.process = subprocess.Popen([BUILT / "load", bus, listen], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=pin(cpus))
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
    """One proxy between one bus and its clients, in a directory of its own; a context manager."""

    def __init__(self, proxy, load_cpus=None, proxy_cpus=None):
        self.proxy, self.load_cpus, self.proxy_cpus = proxy, load_cpus, proxy_cpus
        self.load = self.process = self.ready = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="busgate-bench-")
        bus, listen = f"{self.directory}/bus", f"{self.directory}/proxy"
        try:
            self.load = Load(bus, listen, self.load_cpus)
            self.start(listen, bus)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, listen, bus):
        """Starts the proxy and waits for its ready byte. The descriptor stays open: xdg-dbus-proxy ends with it."""
        self.ready, theirs = os.pipe()
        try:
            self.process = subprocess.Popen(self.proxy.command(listen, bus, theirs), pass_fds=[theirs],
                                            env={**os.environ, "READY_FD": str(theirs)}, stdin=subprocess.DEVNULL,
                                            preexec_fn=pin(self.proxy_cpus))
        finally:
            os.close(theirs)
        if not select.select([self.ready], [], [], PATIENCE_SECONDS)[0] or not os.read(self.ready, 1):
            raise Failure("was never ready")

    def __exit__(self, *_):
        for process in (self.load and self.load.process, self.process):
            if process:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(PATIENCE_SECONDS / 10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
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
