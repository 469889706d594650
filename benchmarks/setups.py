"""What stands around a case: the policy in each proxy's own language, how many clients, who stalls. Used by cases.py and harness.py.

A proxy serves all cases of one setup in a round; another setup is another process.
"""

import dataclasses
import json

MATCHING = [
    {"direction": "outgoing", "interface": "com.example.Load", "object-path": "/com/example/Load", "method": "*",
     "comment": "The calls that are measured."},
    {"direction": "incoming", "interface": "com.example.Load", "object-path": "/com/example/Load", "method": "*", "type": "signal",
     "comment": "The signals that are measured."},
]


@dataclasses.dataclass(frozen=True)
class Setup:
    """`rules`: so many for outgoing calls, the matching one last. `kinds`: a rule for each of so many kinds of call. `named`: the rules
    are for one name, and no other is visible, so that its owner is followed."""

    name: str
    clients: int = 1
    rules: int = 1
    kinds: int = 1
    named: bool = False
    broadcasts: bool = False  # xdg-dbus-proxy is to look at each signal, and not only at who sends it
    before: tuple = ()  # lines for the load, once clients are connected

    def document(self):
        """The gateway configuration of busgate."""
        fillers = [filler(i) for i in range(self.rules - 1)] + [kind(i) for i in range(self.kinds - 1)]
        name = {"name": "com.example.Load"} if self.named else {}
        rules = ",\n".join(json.dumps({**rule, **name}) for rule in fillers + MATCHING)
        names = '"busgate": {"names": {}}, ' if self.named else ""
        return f'{{{names}"dbus-gateway-config-session": [\n{rules}\n]}}\n'

    def yardstick(self):
        """The arguments of pump_filter: its rules are built in, all literal, the last one matches."""
        return [str(max(self.rules, self.kinds))]

    def yardstick_environment(self):
        return {"FILLER_PATHS": "1"} if self.kinds > 1 else {}

    def names(self):
        """The arguments of xdg-dbus-proxy, which thinks in bus names first; rules below a name only where a case is about rules."""
        if self.rules == 1 and not self.broadcasts:
            return ["--talk=com.example.Load"]
        fillers = [f"--call=com.example.Load=com.example.Filler{i}{'.*' if i % 2 else '.Call'}@/com/example/Filler{i}"
                   for i in range(self.rules - 1)]
        matching = "com.example.Load=com.example.Load.*@/com/example/Load"
        return fillers + [f"--call={matching}", f"--broadcast={matching}"]


def filler(i):
    """A rule that does not match what is measured; literals and globs take turns."""
    interface, path, method = (
        (f"com.example.Filler{i}", f"/com/example/Filler{i}", ["Get", "Set"]),
        (f"com.example.Filler{i}.*", "*", "*"),
        (f"com.example.Filler{i}", f"/com/example/Filler{i}/*", "Get*"),
        (f"com.*.Filler{i}", f"/com/example/Filler{i}", "*"),
    )[i % 4]
    return {"direction": "outgoing", "interface": interface, "object-path": path, "method": method}


def kind(i):
    return {"direction": "outgoing", "interface": f"com.example.Filler{i}", "object-path": f"/com/example/Filler{i}", "method": f"Call{i}"}
