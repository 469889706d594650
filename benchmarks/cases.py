"""The cases of the end-to-end suite and the targets that stand on them. A new case is a line here. Used by run, counters and report."""

import dataclasses

from setups import Setup

PLAIN = Setup("plain")
HALF = Setup("half", broadcasts=True)
CLIENTS = Setup("clients", clients=100)
KINDS = Setup("kinds", kinds=1000)
NAMED = Setup("named", named=True)
NAMED_KINDS = Setup("named-kinds", kinds=1000, named=True)
RULES = {n: Setup(f"rules-{n}", rules=n) for n in (1, 10, 100, 1000, 10000)}
IDLE = {n: Setup(f"idle-{n}", clients=n + 1) for n in (1, 100, 1000)}
STALLED_CLIENT = Setup("stalled-client", before=(("stall 16", "stalled"),))
STALLED_SERVICE = Setup("stalled-service", before=(("stall-service 16", "stalled"),))


@dataclasses.dataclass(frozen=True)
class Case:
    """`line` is a command of load/load.c but for its number of operations, which is `operations` per round, or fewer for who is slow."""

    name: str
    what: str
    setup: Setup
    line: str
    operations: int
    slow: int  # operations for xdg-dbus-proxy, which needs up to 30 times (with many rules: 10,000 times) as long for one
    only_filters: bool = False  # a pump has no opinion
    real_bus: bool = True


def calls(name, what, operations, slow, setup=PLAIN, clients=1, window=1, payload=16, kinds=1, descriptors=0, **more):
    return Case(name, what, setup, f"calls {clients} {window} {payload} {kinds} {descriptors}", operations, slow, **more)


KIB, MIB = 1024, 1024 * 1024
CASES = [
    calls("rr", "request and reply, 16 B", 5000, 3000),
    calls("rr-1k", "request and reply, 1 KiB", 4000, 2000, payload=KIB),
    calls("rr-64k", "request and reply, 64 KiB", 1500, 1000, payload=64 * KIB),
    calls("pipe8-16", "8 outstanding, 16 B", 30000, 6000, window=8),
    calls("pipe-16", "64 outstanding, 16 B", 120000, 8000, window=64),
    calls("pipe-1k", "64 outstanding, 1 KiB", 60000, 6000, window=64, payload=KIB),
    calls("pipe-64k", "64 outstanding, 64 KiB", 2500, 1500, window=64, payload=64 * KIB),
    calls("pipe256-16", "256 outstanding, 16 B", 120000, 8000, window=256),
    calls("kinds-16", "64 outstanding, 16 B, 1,000 kinds in turn", 100000, 8000, KINDS, window=64, kinds=1000),
    calls("kinds-1k", "64 outstanding, 1 KiB, 1,000 kinds in turn", 60000, 6000, KINDS, window=64, payload=KIB, kinds=1000),
    Case("signals-16", "signals, 16 B", PLAIN, "signals 16 0", 120000, 6000),
    Case("signals-1k", "signals, 1 KiB", PLAIN, f"signals {KIB} 0", 60000, 6000),
    Case("signals-64k", "signals, 64 KiB", PLAIN, f"signals {64 * KIB} 0", 4000, 2000),
    Case("signals-half", "signals, 16 B, every second denied", HALF, "signals 16 1", 120000, 6000, only_filters=True),
    Case("denials", "64 outstanding, all denied", PLAIN, "denials 64 {in_words}", 60000, 4000, only_filters=True),
    calls("fds-1", "request and reply, 1 descriptor each way", 3000, 1500, descriptors=1),
    calls("fds-4", "request and reply, 4 descriptors each way", 3000, 1500, descriptors=4),
    calls("clients-1", "1 client, 8 outstanding, 16 B", 30000, 6000, CLIENTS, window=8),
    calls("clients-10", "10 clients, 8 outstanding each, 16 B", 30000, 6000, CLIENTS, clients=10, window=8),
    calls("clients-100", "100 clients, 8 outstanding each, 16 B", 40000, 8000, CLIENTS, clients=100, window=8),
    Case("connect", "connection set-up: connect, authenticate, Hello, close", PLAIN, "connections", 600, 300),
    calls("body-1m", "request and reply, 1 MiB", 120, 60, payload=MIB),
    calls("body-16m", "request and reply, 16 MiB", 6, 4, payload=16 * MIB),
    calls("body-63m", "request and reply, 63 MiB", 2, 1, payload=63 * MIB),
    calls("stalled-client", "request and reply, another client does not read", 3000, 1500, STALLED_CLIENT, real_bus=False),
    calls("stalled-service", "request and reply, another client's service does not read", 3000, 1500, STALLED_SERVICE, real_bus=False),
    calls("rules-1", "64 outstanding, 16 B, 1 rule", 120000, 8000, RULES[1], window=64),
    calls("rules-10", "64 outstanding, 16 B, 10 rules", 120000, 4000, RULES[10], window=64),
    calls("rules-100", "64 outstanding, 16 B, 100 rules", 120000, 800, RULES[100], window=64),
    calls("rules-1000", "64 outstanding, 16 B, 1,000 rules", 120000, 64, RULES[1000], window=64),
    calls("rules-10000", "64 outstanding, 16 B, 10,000 rules", 120000, 8, RULES[10000], window=64),
    calls("named-rr", "request and reply, 16 B, names are followed", 5000, 3000, NAMED),
    calls("named-16", "64 outstanding, 16 B, names are followed", 120000, 8000, NAMED, window=64),
    calls("named-kinds-16", "64 outstanding, 16 B, 1,000 kinds in turn, names are followed", 100000, 8000, NAMED_KINDS, window=64, kinds=1000),
    Case("named-connect", "connection set-up, names are followed", NAMED, "connections", 600, 300),
    calls("idle-1", "request and reply, 1 idle client", 4000, 2000, IDLE[1]),
    calls("idle-100", "request and reply, 100 idle clients", 4000, 2000, IDLE[100]),
    calls("idle-1000", "request and reply, 1,000 idle clients", 4000, 2000, IDLE[1000]),
]
BY_NAME = {case.name: case for case in CASES}


@dataclasses.dataclass(frozen=True)
class Target:
    """CPU per operation of busgate in a case, divided by that of `against` in the same case, or by its own in another one."""

    case: str
    against: str
    most: float

    def __str__(self):
        return f"{self.case} / {self.against}"


FLOOR, SUBJECT, PEER = "pump_filter", "busgate", "xdg-dbus-proxy"


def both(most, peer, *names):
    return [Target(name, FLOOR, most) for name in names] + [Target(name, PEER, peer) for name in names]


TARGETS = [
    *both(1.05, 0.40, "rr"),
    *both(1.15, 0.07, "pipe-16"),
    *both(1.10, 0.09, "pipe-1k"),
    *both(1.9, 0.13, "kinds-16"),
    *both(1.6, 0.13, "kinds-1k"),
    *both(0.75, 0.35, "pipe-64k", "signals-64k", "body-16m"),
    *both(1.15, 0.05, "signals-16", "signals-half"),
    *both(2.0, 0.03, "denials"),
    *both(1.05, 0.6, "fds-1", "fds-4"),
    *both(1.10, 0.10, "clients-100"),
    *both(1.30, 0.45, "connect"),
    Target("rules-10000", "rules-1", 1.10),
    Target("idle-1000", "idle-1", 1.05),
]
