"""What most tests put up: a gate, its client, and who is on the other side.

Scene has a real bus behind the gate and messages that GLib writes and reads. RawScene has bytes, and the test itself is the bus.
"""

from peer import Peer
from wire import introduce, raw_bus


class Scene:
    """A gate with these rules in front of a real bus, a peer inside and one outside."""

    def __init__(self, workshop, bus, rules, *arguments, **options):
        self.gate = workshop.gate(rules, bus, *arguments, **options)
        self.inside, self.outside = Peer(self.gate.address), Peer(bus.address)

    def settle(self):
        """All that was sent by either has arrived at the other, or never will."""
        for peer in (self.inside, self.outside, self.inside, self.outside):
            peer.fence()


class RawScene:
    """A gate with these rules in front of a raw bus, and one client with its end of the bus."""

    def __init__(self, workshop, rules, *arguments, **introduction):
        self.workshop = workshop
        self.bus = raw_bus(workshop)
        self.gate = workshop.gate(rules, self.bus, *arguments)
        self.client, self.side = introduce(workshop, self.gate, self.bus, **introduction)

    def ends(self, sender):
        """Who sends and who receives."""
        return (self.client, self.side) if sender == "client" else (self.side, self.client)
