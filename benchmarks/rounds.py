"""Measures cases in interleaved rounds: each round starts every proxy afresh, then takes case by case, one proxy right after the other.

Used by run. Judges and prints nothing.
"""

import collections
import dataclasses
import struct
import time

import harness
import latency

WARM_UP = 10  # a tenth of the operations, not measured, precedes the measured phase of each process and case


@dataclasses.dataclass
class Sample:
    """Nanoseconds per operation."""

    cpu: float
    wall: float
    load: float


class Results:
    """Samples by proxy and case, latencies in an HdrHistogram each, and what failed."""

    def __init__(self):
        self.samples = collections.defaultdict(list)
        self.latencies = collections.defaultdict(latency.histogram)
        self.failures = {}

    def best(self, proxy, case, what="cpu"):
        """The least of all rounds: on a machine that others use, noise only ever adds."""
        values = [getattr(sample, what) for sample in self.samples[proxy, case]]
        return min(values) if values and (proxy, case) not in self.failures else None

    def ratio(self, proxy, case, against, what="cpu"):
        value, floor = self.best(proxy, case, what), self.best(against, case, what)
        return value / floor if value and floor else None

    def percentiles(self, proxy, case):
        """Microseconds at p50, p99 and p99.9 over all rounds, or None."""
        histogram = self.latencies.get((proxy, case))
        if not histogram or not histogram.get_total_count() or (proxy, case) in self.failures:
            return None
        return [histogram.get_value_at_percentile(p) / 1000 for p in (50, 99, 99.9)]


def rounded(operations):
    """To what a hundred clients can share, and what has an even half."""
    return max(1, int(operations)) if operations < 100 else int(operations / 100) * 100


class Rounds:
    """`cpus`: of the load and of the proxy. `scale`: a factor on all numbers of operations."""

    def __init__(self, proxies, cases, cpus, bus, scale, progress=lambda text: None):
        self.proxies, self.cases, self.cpus, self.bus, self.scale, self.progress = proxies, cases, cpus, bus, scale, progress
        self.results = Results()

    def can(self, proxy, case):
        """Whether it is to be measured: it failed in no earlier round, and can know what the case is about."""
        return ((proxy.name, case.name) not in self.results.failures and (proxy.filters or not case.only_filters) and
                (case.real_bus or self.bus == "fake"))

    def operations(self, proxy, case):
        return rounded((case.slow if proxy.name == "xdg-dbus-proxy" else case.operations) * self.scale)

    def run(self, number):
        begun = time.monotonic()
        for i in range(number):
            order = self.proxies[::-1] if i % 2 else self.proxies
            for setup in dict.fromkeys(case.setup for case in self.cases):
                self.progress(f"round {i + 1} of {number}, {setup.name}, {time.monotonic() - begun:.0f} s")
                self.round_of(order, setup, [case for case in self.cases if case.setup == setup])
        return self.results

    def round_of(self, order, setup, cases):
        benches = {}
        try:
            for proxy in order:
                self.guarded(proxy, cases, lambda: self.open(benches, proxy, setup))
            for case in cases:
                for proxy in order:
                    if self.can(proxy, case) and proxy.name in benches:
                        if not self.guarded(proxy, [case], lambda: self.measure(benches[proxy.name], case)):
                            benches.pop(proxy.name).__exit__()  # the load ends where it was disappointed
                            self.guarded(proxy, cases, lambda: self.open(benches, proxy, setup))
        finally:
            for bench in benches.values():
                bench.__exit__()

    def open(self, benches, proxy, setup):
        benches[proxy.name] = harness.Bench(proxy, setup, *self.cpus, bus=self.bus).__enter__()
        benches[proxy.name].prepare()

    def guarded(self, proxy, cases, step):
        """What a proxy fails in, it has no figure for. True if it did not fail."""
        cases = [case for case in cases if self.can(proxy, case)]
        if not cases:
            return True
        try:
            step()
        except (harness.Failure, OSError, ValueError) as failure:
            for case in cases:
                self.results.failures.setdefault((proxy.name, case.name), str(failure))
            return False
        return True

    def measure(self, bench, case):
        operations = self.operations(bench.proxy, case)
        bench.begin(case, rounded(operations / WARM_UP))
        bench.end()
        bench.begin(case, operations)
        cpu = bench.cpu_nanoseconds()
        wall, load = bench.end()
        cpu = bench.cpu_nanoseconds() - cpu
        self.results.samples[bench.proxy.name, case.name].append(Sample(cpu / operations, wall / operations, load / operations))
        if histogram := self.results.latencies[bench.proxy.name, case.name]:
            with open(bench.load.latencies, "rb") as file:
                for value, count in struct.iter_unpack("=QQ", file.read()):
                    histogram.record_value(value, count)
