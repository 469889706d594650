"""What xdg-dbus-proxy(1) says of policies, feature by feature, on both buses. Where Debian's xdg-dbus-proxy is installed, the same is done
through it, and has to come out the same; where it differs, the row says how, and why we do not follow.

Every row has a client of its own; the services stay.
"""

import os
import re

import pytest

from harness import Workshop
from proxies import OURS, NamesProxy, join_in_steps, peer_program, peers_version
from wire import DRIVER, DRIVER_PATH, ERROR, METHOD_RETURN, OBJECT, OPEN, OWN_UID, SHUT, Client, Ended, call, driver_call, hello, join, message
from wire import introduce, raw_bus
from wire import signal as signal_message

DENIED = "org.freedesktop.DBus.Error.AccessDenied"
UNKNOWN = "org.freedesktop.DBus.Error.ServiceUnknown"
NO_OWNER = "org.freedesktop.DBus.Error.NameHasNoOwner"
NOT_FOUND = "org.freedesktop.DBus.Error.MatchRuleNotFound"
ANSWERED, NOTHING = "answered", "nothing"
E = "com.example."
OTHER = "/org/other"

# METHOD and PATH of a rule, as the manual's grammar has them, and which of these messages they mean.
MESSAGES = [(OPEN, "Do", OBJECT), (OPEN, "Other", OBJECT), (OPEN, "Do", OTHER), (SHUT, "Do", OBJECT), (None, "Do", OBJECT),
            ("com.example.Open.Below", "Do", OBJECT), (OPEN, "Do", "/com/example/Objects"), (OPEN, "Do", "/com/example/Object/Below")]
RULES = {
    "*": [0, 1, 2, 3, 4, 5, 6, 7],
    "": [0, 1, 2, 3, 4, 5, 6, 7],
    f"{OPEN}.*": [0, 1, 2, 6, 7],
    f"{OPEN}.Do": [0, 2, 6, 7],
    f"@{OBJECT}": [0, 1, 3, 4, 5],
    f"*@{OBJECT}": [0, 1, 3, 4, 5],
    f"@{OBJECT}/*": [0, 1, 3, 4, 5, 7],
    "@/*": [0, 1, 2, 3, 4, 5, 6, 7],
    f"{OPEN}.Do@{OBJECT}": [0],
    f"{OPEN}.*@/com/example/*": [0, 1, 6, 7],
    f"{SHUT}.Do@{OTHER}": [],
    # Without its ending an interface is the name of a method.
    OPEN: [],
}
CALLED = {f"{E}call{number}.Name": rule for number, rule in enumerate(RULES)}
CAST = {f"{E}cast{number}.Name": rule for number, rule in enumerate(RULES)}

NAMES = {"See": E + "See", "Talk": E + "Talk", "tree": E + "tree", "leaf": E + "tree.a.Leaf", "treehouse": E + "treehouse",
         "Hidden": E + "Hidden", "Both": E + "Both", "Owned": E + "Owned"}
ACTIVATABLE = [NAMES["Talk"], NAMES["See"], NAMES["Hidden"], E + "tree.Away", E + "treehouse.Away", E + "call0.Name"]
OPTIONS = ["--filter", f"--see={E}See", f"--talk={E}Talk", f"--talk={E}tree.*", f"--own={E}Own", f"--own={E}own.*", f"--own={E}Owned",
           f"--talk={E}Both", f"--see={E}Both", *(f"--call={name}={rule}" for name, rule in CALLED.items()),
           *(f"--broadcast={name}={rule}" for name, rule in CAST.items())]


class Stage:
    """A bus with services, and the proxies before it."""

    def __init__(self, bus_program):
        self.shop = Workshop(bus_program)
        self.bus = self.shop.bus(activatable={name: "/bin/false" for name in ACTIVATABLE})
        self.services = {name: self.service(name) for name in [*NAMES.values(), *CALLED, *CAST]}
        self.proxies = {}

    def service(self, name=None):
        service = join(self.shop, self.bus.path)
        if name:
            service.request_name(name)
        return service

    def proxy(self, program, options):
        """One for each command line."""
        key = (str(program), *options)
        if key not in self.proxies:
            number = len(self.proxies)
            self.proxies[key] = self.shop.keep(NamesProxy(self.shop.directory, self.bus.address, *options, program=program,
                                                          socket=f"proxy{number}/bus"))
        return self.proxies[key]

    def scene(self, program, options):
        return ProxyScene(self, self.proxy(program, options))


class ProxyScene:
    """A client behind a proxy, and what it may ask."""

    def __init__(self, stage, proxy):
        self.stage, self.services = stage, dict(stage.services)
        self.proxy = proxy
        self.client = join_in_steps(stage.shop, proxy.path)
        self.children = [self.client]

    def service(self, name=None):
        service = self.stage.service(name)
        self.children.append(service)
        if name:
            self.services[name] = service
        return service

    def close(self):
        for child in self.children:
            child.close()
        for name, service in self.stage.services.items():
            service.round_trip()

    def unique(self, name):
        return self.services[name].name

    def call(self, destination, service, interface=OPEN, member="Do", path=OBJECT, **more):
        """The answer of the service, or the error's name."""
        serial = self.client.next_serial()
        self.client.send(call(serial, destination, member, interface, path, **more))
        # The driver answers in order: what the bus was sent is with the service when this is answered.
        behind = self.client.next_serial()
        self.client.send(driver_call(behind, "GetId"))
        first = self.client.receive_until(lambda one: one.reply in (serial, behind))[-1]
        if first.reply == serial:
            return first.error
        arrived = [one for one in service.round_trip() if one.member == member and one.sender == self.client.name]
        if not arrived:
            return self.client.receive_reply(serial).error
        service.answer(arrived[0])
        return ANSWERED if self.client.receive_reply(serial).type == METHOD_RETURN else None

    def ask(self, name, **more):
        return self.call(name, self.services[name], **more)

    def ask_unique(self, name, **more):
        return self.call(self.unique(name), self.services[name], **more)

    def driver(self, member, *args, signature=None, **more):
        answer = self.client.ask_driver(member, signature=("s" * len(args) if signature is None else signature) or None, args=args, **more)
        return answer.error or (answer.args[0] if answer.args else ANSWERED)

    def reaches(self, service, data, member="Sig"):
        """Whether the client's message gets to the service."""
        self.client.send(data)
        self.client.round_trip()
        return any(one.member == member and one.sender == self.client.name for one in service.round_trip())

    def hears(self, service, *, member="Sig", **more):
        """Whether a signal of this service gets to the client."""
        service.send(signal_message(service.next_serial(), member, **more))
        service.round_trip()
        return any(one.member == member and one.sender == service.name for one in self.client.round_trip())

    def changes(self, messages=None):
        return [one.args for one in (self.client.round_trip() if messages is None else messages) if one.member == "NameOwnerChanged"]


@pytest.fixture(scope="module", params=["dbus-daemon", "dbus-broker"])
def stage(request):
    stage = Stage(request.param)
    yield stage
    stage.shop.close()


# The rows: what is done, what comes of it, and what of it through the peer, where that is another thing.

ROWS = []


def row(expected, peers=None, why=None, options=OPTIONS):
    """``peers`` is what the peer makes of it; ``why`` we do not."""
    def add(function):
        ROWS.append(pytest.param(function, options, expected, peers, id=function.__name__))
        assert (peers is None) == (why is None)
        return function
    return add


# Calls, and what is hidden versus what is denied

@row([ANSWERED, ANSWERED])
def a_name_with_talk_is_called_by_either_of_its_names(s):
    return [s.ask(NAMES["Talk"]), s.ask_unique(NAMES["Talk"])]


@row([ANSWERED, ANSWERED, ANSWERED, UNKNOWN, NO_OWNER])
def a_subtree_has_its_root_and_what_is_below_and_nothing_beside(s):
    return [s.ask(NAMES["tree"]), s.ask(NAMES["leaf"]), s.ask_unique(NAMES["leaf"]), s.ask(NAMES["treehouse"]),
            s.ask_unique(NAMES["treehouse"])]


@row([DENIED, DENIED])
def a_name_with_see_is_denied(s):
    return [s.ask(NAMES["See"]), s.ask_unique(NAMES["See"])]


@row([UNKNOWN, NO_OWNER])
def a_name_with_nothing_is_hidden(s):
    return [s.ask(NAMES["Hidden"]), s.ask_unique(NAMES["Hidden"])]


@row([UNKNOWN, NO_OWNER])
def a_name_that_does_not_exist_looks_the_same(s):
    return [s.call("com.example.Nobody", s.services[NAMES["Hidden"]]), s.call(":1.999999", s.services[NAMES["Hidden"]])]


@row([True, METHOD_RETURN])
def the_bus_and_oneself_may_be_talked_to(s):
    # What the bus makes of a call for nobody is its own affair.
    answers = []
    for end in (s.client, s.services[NAMES["Talk"]]):
        serial = end.next_serial()
        end.send(call(serial, None, "GetId", DRIVER, DRIVER_PATH))
        answer = end.receive_reply(serial)
        answers.append((answer.type, answer.error, answer.args))
    results = [answers[0] == answers[1]]
    serial = s.client.next_serial()
    s.client.send(call(serial, s.client.name, "Do"))
    s.client.answer(s.client.receive_member("Do"))
    return [*results, s.client.receive_reply(serial).type]


@row([ANSWERED, ANSWERED])
def a_name_with_own_is_called_like_one_with_talk(s):
    return [s.ask(NAMES["Owned"]), s.ask_unique(NAMES["Owned"])]


@row([True, True, False, False, False, False])
def signals_go_to_whom_the_client_may_talk(s):
    return [s.reaches(s.services[NAMES[name]], signal_message(s.client.next_serial(), "Sig", destination=NAMES[name] if by_name else s.unique(NAMES[name])))
            for name in ("Talk", "See", "Hidden") for by_name in (True, False)]


@row([[[number for number in rule if MESSAGES[number][0]] for rule in RULES.values()]] * 2)
def call_rules_mean_signals_for_the_name_alone_too(s):
    def by(destination):
        def outcome(name, interface, member, path):
            return interface is not None and s.reaches(
                s.services[name], signal_message(s.client.next_serial(), member, interface, path, destination=destination(name)), member)
        return outcome
    # By either of its names.
    return [rules_mean(s, CALLED, by(str)), rules_mean(s, CALLED, by(s.unique))]


@row([False] * 6)
def no_other_rule_opens_a_way_for_signals(s):
    # A rule about broadcasts, one that means nothing, no rule at all, and a name that may be seen.
    return [s.reaches(s.services[name], signal_message(s.client.next_serial(), "Sig", destination=to))
            for name in (f"{E}cast0.Name", f"{E}call10.Name", NAMES["See"]) for to in (name, s.unique(name))]


@row([ANSWERED, DENIED, DENIED])
def a_call_that_a_rule_allows_opens_no_other(s):
    name = f"{E}call8.Name"
    return [s.ask(name), s.ask(name, member="Other"), s.ask_unique(name, path=OTHER)]


@row(True)
def broadcasts_go_out(s):
    listener = s.service()
    listener.add_match(f"type='signal',interface='{OPEN}'")
    return s.reaches(listener, signal_message(s.client.next_serial(), "Sig"))


@row([ANSWERED, DENIED])
def the_highest_policy_of_a_name_counts(s):
    return [s.ask(NAMES["Both"]), s.ask(NAMES["See"])]


def rules_mean(s, names, outcome):
    return [[number for number, one in enumerate(MESSAGES) if outcome(name, *one)] for name in names]


@row(list(RULES.values()))
def call_rules_mean_what_the_grammar_says(s):
    return rules_mean(s, CALLED, lambda name, interface, member, path: s.ask(name, interface=interface, member=member, path=path) == ANSWERED)


@row([DENIED] * len(RULES))
def what_no_call_rule_means_is_denied_not_hidden(s):
    return [s.ask(name, interface=SHUT, member="Never", path="/never") if RULES[rule] != list(range(8)) else DENIED for name, rule in CALLED.items()]


@row([list(range(8))] * 0 + [[number for number in rule if MESSAGES[number][0]] for rule in RULES.values()])
def broadcast_rules_mean_what_the_grammar_says(s):
    s.client.add_match("type='signal'")

    def outcome(name, interface, member, path):
        return interface is not None and s.hears(s.services[name], member=member, interface=interface, path=path)
    return rules_mean(s, CAST, outcome)


@row([DENIED, False])
def a_call_rule_opens_no_broadcasts_and_a_broadcast_rule_no_calls(s):
    s.client.add_match("type='signal'")
    return [s.ask(f"{E}cast0.Name"), s.hears(s.services[f"{E}call0.Name"])]


# Broadcasts

@row([True, True, True, False, False, False])
def broadcasts_come_in_from_talk_on(s):
    s.client.add_match("type='signal'")
    return [s.hears(s.services[NAMES[name]]) for name in ("Talk", "tree", "leaf", "treehouse", "See", "Hidden")]


@row([False, False])
def without_a_match_rule_none_comes_in(s):
    return [s.hears(s.services[NAMES[name]]) for name in ("Talk", "Hidden")]


@row([True, True])
def a_signal_for_the_client_alone_comes_in(s):
    return [s.hears(s.services[NAMES[name]], destination=s.client.name) for name in ("Talk", "Hidden")]


# What the driver tells

QUESTIONS = ["GetNameOwner", "GetConnectionUnixUser", "GetConnectionUnixProcessID", "GetConnectionCredentials"]


TOLD = [True] * 7


@row([[*TOLD, NO_OWNER, NO_OWNER, NO_OWNER]] * len(QUESTIONS), [[*TOLD, *[NO_OWNER if one == "GetNameOwner" else UNKNOWN] * 3] for one in QUESTIONS],
     "what is hidden is answered as the bus answers for what is not there, whatever is asked")
def the_driver_tells_of_names_from_see_on(s):
    def told(answer):
        return answer if ".Error." in str(answer) else True
    asked = [NAMES["Talk"], NAMES["leaf"], NAMES["See"], s.unique(NAMES["See"]), f"{E}call3.Name", s.client.name, DRIVER, NAMES["Hidden"],
             s.unique(NAMES["Hidden"]), "com.example.Nobody"]
    return [[told(s.driver(question, name)) for name in asked] for question in QUESTIONS]


@row([[False, False, True, True]] * 2, [[False, False, False, False]] * 2, "as above")
def the_driver_tells_what_it_does_not_know_of_visible_names_only(s):
    # Neither bus has audit data or a security label; a hidden name it is said not to have.
    return [[s.driver(question, name) == NO_OWNER for name in (NAMES["Talk"], s.unique(NAMES["See"]), NAMES["Hidden"], s.unique(NAMES["Hidden"]))]
            for question in ("GetAdtAuditSessionData", "GetConnectionSELinuxSecurityContext")]


@row([1, 1, 1, 0, 0, 0])
def name_has_owner_is_false_for_what_is_hidden(s):
    return [s.driver("NameHasOwner", name) for name in (NAMES["Talk"], NAMES["See"], s.unique(NAMES["See"]), NAMES["Hidden"],
                                                        s.unique(NAMES["Hidden"]), "com.example.Nobody")]


@row([True, True, False, False])
def list_names_has_what_is_visible_and_no_more(s):
    listed = s.driver("ListNames")
    visible = [name for name in [*NAMES.values(), *CALLED, *CAST] if name not in (NAMES["Hidden"], NAMES["treehouse"])]
    everything = set(visible) | {DRIVER, s.client.name} | {s.unique(name) for name in visible}
    return [set(listed) == everything, len(listed) == len(set(listed)), NAMES["Hidden"] in listed, s.unique(NAMES["Hidden"]) in listed]


@row([NAMES["See"], NAMES["Talk"], E + "call0.Name", E + "tree.Away"])
def list_activatable_names_has_what_is_visible_and_no_more(s):
    return sorted(set(s.driver("ListActivatableNames")) - {DRIVER})


@row([1, 1, 1, DENIED, DENIED, DENIED, DENIED], [1, 1, 1, DENIED, DENIED, UNKNOWN, UNKNOWN],
     "a bus does not say ServiceUnknown to a client that asks for a name; what it may not have is denied to it")
def only_a_name_with_own_is_requested(s):
    return [s.driver("RequestName", name, 0, signature="su") for name in (E + "Own", E + "own", E + "own.a.B", NAMES["Talk"], NAMES["See"],
                                                                         NAMES["Hidden"], E + "owner")]


@row([1, DENIED, DENIED], [1, DENIED, UNKNOWN], "as for RequestName")
def only_a_name_with_own_is_released(s):
    s.driver("RequestName", E + "Own", 0, signature="su")
    return [s.driver("ReleaseName", name) for name in (E + "Own", NAMES["Talk"], NAMES["Hidden"])]


@row([True, DENIED, DENIED, NO_OWNER], [True, DENIED, DENIED, UNKNOWN], "as a bus says of a name that nobody has")
def only_of_a_name_with_own_the_queue_is_told(s):
    s.driver("RequestName", E + "Own", 0, signature="su")
    return [s.driver("ListQueuedOwners", E + "Own") == [s.client.name],
            *(s.driver("ListQueuedOwners", NAMES[name]) for name in ("Talk", "See", "Hidden"))]


@row([2, 2, UNKNOWN, UNKNOWN, UNKNOWN], [2, 2, DENIED, UNKNOWN, UNKNOWN], "a GDBus proxy goes on after ServiceUnknown, and fails over AccessDenied")
def only_a_name_with_talk_is_started(s):
    # All of them run and have service files: the bus itself would say 2, that they do.
    return [s.driver("StartServiceByName", name, 0, signature="su") for name in (NAMES["Talk"], f"{E}call0.Name", NAMES["See"], NAMES["Hidden"],
                                                                                 E + "treehouse.Away")]


@row([ANSWERED, True, True, True], [DENIED, True, True, False], "a client may ask the driver whether it is there, as it may ask anybody")
def what_every_connection_needs_is_open(s):
    return [s.driver("Ping", interface="org.freedesktop.DBus.Peer"), len(s.driver("GetId")) == 32,
            "<node" in s.driver("Introspect", interface="org.freedesktop.DBus.Introspectable"),
            len(s.driver("GetMachineId", interface="org.freedesktop.DBus.Peer")) == 32]


@row([DENIED, DENIED])
def what_the_driver_has_besides_is_closed(s):
    return [s.driver("BecomeMonitor", [], 0, signature="asu", interface="org.freedesktop.DBus.Monitoring"),
            s.driver("UpdateActivationEnvironment", [], signature="a{ss}")]


@row([DENIED, ANSWERED])
def eavesdropping_is_refused(s):
    return [s.driver("AddMatch", "eavesdrop=true"), s.driver("AddMatch", "type='signal'")]


@row([DENIED, DENIED])
def eavesdropping_is_refused_in_other_spellings(s):
    return [s.driver("AddMatch", "eavesdrop = 'true'"), s.driver("AddMatch", "type='signal',eavesdrop='tr''ue'")]


@row([NOT_FOUND, NOT_FOUND, ANSWERED])
def the_proxys_own_match_rules_are_not_the_clients_to_remove(s):
    rules = [f"type='signal',sender='{DRIVER}',path='{DRIVER_PATH}',interface='{DRIVER}',member='NameOwnerChanged'{more}"
             for more in ("", f",arg0='{NAMES['Talk']}'")]
    results = [s.driver("RemoveMatch", rule) for rule in rules]
    # And ownership is followed as before.
    newcomer = s.service(E + "tree.Newcomer")
    s.client.round_trip()
    return [*results, s.call(newcomer.name, newcomer)]


# Who comes and goes

@row([[NAMES["Talk"]], [], [E + "tree.New", E + "tree.New"]])
def changes_of_visible_names_are_told(s):
    s.client.add_match(f"type='signal',sender='{DRIVER}',member='NameOwnerChanged'")
    talk = s.stage.services[NAMES["Talk"]]

    def moved(name, service):
        service.ask_driver("ReleaseName", signature="s", args=[name])
        first = [change[0] for change in s.changes()]
        service.request_name(name)
        s.client.round_trip()
        return first
    results = [moved(NAMES["Talk"], talk), moved(NAMES["Hidden"], s.stage.services[NAMES["Hidden"]])]
    newcomer = s.service(E + "tree.New")
    newcomer.ask_driver("ReleaseName", signature="s", args=[E + "tree.New"])
    return [*results, [change[0] for change in s.changes()]]


@row([True, False])
def a_visible_peer_that_leaves_is_missed(s):
    s.client.add_match(f"type='signal',sender='{DRIVER}',member='NameOwnerChanged'")
    seen, hidden = s.service(E + "tree.Leaving"), s.service(E + "hidden.Leaving")
    for one in (hidden, seen):
        one.close()
    told = []
    while not told or told[-1][0] != seen.name:
        told += s.changes([s.client.receive()])
    return [seen.name in [change[0] for change in told], hidden.name in [change[0] for change in told]]


@row([NO_OWNER, ANSWERED, ANSWERED, ANSWERED])
def a_policy_goes_with_the_name_and_stays_with_who_had_it(s):
    first, second = s.service(), s.service()
    results = [s.call(first.name, first)]
    first.request_name(E + "tree.Moving")
    # What the bus said before it answers this, the gate has heard; that the name has an owner the client was not told.
    s.client.round_trip()
    results.append(s.call(first.name, first))
    first.ask_driver("ReleaseName", signature="s", args=[E + "tree.Moving"])
    second.request_name(E + "tree.Moving")
    s.client.round_trip()
    return [*results, s.call(second.name, second), s.call(first.name, first)]


# Peers that contact the client

@row([NO_OWNER, METHOD_RETURN, True, DENIED], [UNKNOWN, METHOD_RETURN, True, DENIED], "as above: what the bus says")
def a_peer_that_calls_the_client_is_answered_and_becomes_visible(s):
    peer = s.service()
    results = [s.driver("GetConnectionUnixUser", peer.name)]
    serial = peer.next_serial()
    peer.send(call(serial, s.client.name, "Do"))
    s.client.answer(s.client.receive_member("Do"))
    results.append(peer.receive_reply(serial).type)
    return [*results, s.driver("GetConnectionUnixUser", peer.name) == os.getuid(), s.call(peer.name, peer)]


@row([NOTHING, NOTHING])
def a_reply_that_nobody_waits_for_is_dropped(s):
    peer = s.services[NAMES["Talk"]]
    s.client.send(message(METHOD_RETURN, s.client.next_serial(), reply=77, destination=peer.name))
    s.client.round_trip()
    outgoing = [one for one in peer.round_trip() if one.reply == 77]
    peer.send(message(ERROR, peer.next_serial(), reply=78, destination=s.client.name, error="com.example.Stray"))
    peer.round_trip()
    incoming = [one for one in s.client.round_trip() if one.reply == 78]
    return [NOTHING if not one else "delivered" for one in (outgoing, incoming)]


# --sloppy-names

@row([True, True, NO_OWNER, NO_OWNER], [True, True, UNKNOWN, NO_OWNER], "as above: what the bus says", options=["--filter"])
def without_sloppy_names_no_unique_name_is_visible(s):
    listed = s.driver("ListNames")
    hidden = s.unique(NAMES["Hidden"])
    return [set(listed) == {DRIVER, s.client.name}, hidden not in listed, s.driver("GetConnectionUnixUser", hidden),
            s.call(hidden, s.services[NAMES["Hidden"]])]


@row([True, False, True, DENIED, True], [False, False, False, NO_OWNER, True],
     "the manual says: make all unique names visible; the peer tells of their coming and going only", options=["--filter", "--sloppy-names"])
def with_sloppy_names_all_unique_names_are_visible(s):
    s.client.add_match(f"type='signal',sender='{DRIVER}',member='NameOwnerChanged'")
    listed = s.driver("ListNames")
    hidden = s.unique(NAMES["Hidden"])
    results = [hidden in listed, NAMES["Hidden"] in listed, s.driver("GetConnectionUnixUser", hidden) == os.getuid(),
               s.call(hidden, s.services[NAMES["Hidden"]])]
    newcomer = s.service()
    return [*results, newcomer.name in [change[0] for change in s.changes()]]


# Without --filter

@row([ANSWERED, ANSWERED, True, 1, True, True], options=["--see=com.example.Talk"])
def without_filter_everything_passes(s):
    hidden = s.services[NAMES["Hidden"]]
    s.client.add_match("type='signal'")
    return [s.ask(NAMES["Hidden"]), s.ask_unique(NAMES["Hidden"]), NAMES["Hidden"] in s.driver("ListNames"),
            s.driver("RequestName", "com.example.Anything", 0, signature="su"), s.hears(hidden),
            s.reaches(hidden, signal_message(s.client.next_serial(), "Sig", destination=hidden.name))]


@row([ANSWERED, True], options=[])
def without_filter_the_driver_is_open(s):
    # A monitor may not speak any more: whatever is said on the bus is told.
    results = [s.driver("BecomeMonitor", [f"member='Sig',interface='{OPEN}'"], 0, signature="asu", interface="org.freedesktop.DBus.Monitoring")]
    talk = s.services[NAMES["Talk"]]
    talk.send(signal_message(talk.next_serial(), "Sig", destination=s.unique(NAMES["Hidden"])))
    return [*results, s.client.receive_member("Sig").destination == s.unique(NAMES["Hidden"])]


@pytest.mark.parametrize("function, options, expected, peers", ROWS)
def test_the_manual(stage, function, options, expected, peers):
    scene = stage.scene(OURS, options)
    result = function(scene)
    scene.close()
    assert result == expected


@pytest.mark.parametrize("function, options, expected, peers", ROWS)
def test_the_peer_does_the_same(stage, function, options, expected, peers):
    scene = stage.scene(peer_program(), options)
    result = function(scene)
    scene.close()
    # Of other versions it is not known where they differ still.
    known = [expected] if peers is None else [peers] if peers_version() == "0.1.4" else [peers, expected]
    assert result in known


# Handshakes in one write, as sd-bus and zbus have them: without an identity, and with one

IDENTITIES = {"sd-bus": (b"\r\nDATA", ["DATA", "OK", "AGREE_UNIX_FD"]), "zbus": (b" " + OWN_UID, ["OK", "AGREE_UNIX_FD"])}


def say_at_once(workshop, bus, program, said, behind):
    """The words of the answers up to the first message, and whether Hello is answered."""
    proxy = workshop.keep(NamesProxy(workshop.directory, bus.address, "--filter", program=program))
    identity, answers = IDENTITIES[said]
    client = workshop.keep(Client(proxy.path))
    client.send(b"\0AUTH EXTERNAL" + identity + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n" + behind)
    assert [client.line().split()[0] for _ in answers] == answers
    return client.finish_hello() if behind else client.say_hello()


@pytest.mark.parametrize("behind", [b"", hello(1)], ids=["alone", "with-hello"])
@pytest.mark.parametrize("said", IDENTITIES)
def test_a_handshake_may_be_one_write(workshop, bus, said, behind):
    assert say_at_once(workshop, bus, OURS, said, behind).startswith(":1.")


@pytest.mark.parametrize("said", IDENTITIES)
def test_the_peer_drops_who_does_not_wait_for_its_answers(workshop, bus, said):
    if peers_version() != "0.1.4":
        pytest.skip(f"this is known of 0.1.4, and it is {peers_version()}")
    with pytest.raises((Ended, BrokenPipeError)):
        say_at_once(workshop, bus, peer_program(), said, b"")


# --log

def test_every_message_is_logged_on_standard_output(workshop, bus):
    proxy = workshop.keep(NamesProxy(workshop.directory, bus.address, "--filter", "--log", f"--talk={NAMES['Talk']}"))
    for name in ("Talk", "Hidden"):
        join(workshop, bus.path).request_name(NAMES[name])
    client = join_in_steps(workshop, proxy.path)
    for name in ("Talk", "Hidden"):
        client.send(call(client.next_serial(), NAMES[name], "Do"))
    client.round_trip()
    proxy.out.wait_for("allow ", "outgoing", "member=Hello")
    line = proxy.out.wait_for("allow ", "outgoing", f"destination={NAMES['Talk']}", "member=Do")
    assert f"rule=--talk={NAMES['Talk']}" in line
    line = proxy.out.wait_for("deny ", "outgoing", f"destination={NAMES['Hidden']}", "member=Do")
    assert "reason=hidden" in line
    assert proxy.log.lines == []


def test_without_log_nothing_is_written(workshop, bus):
    proxy = workshop.keep(NamesProxy(workshop.directory, bus.address, "--filter"))
    client = join_in_steps(workshop, proxy.path)
    assert client.ask(NAMES["Hidden"], "Do").error == UNKNOWN
    assert proxy.terminate() == 0
    assert proxy.out.lines == proxy.log.lines == []


EVENT = re.compile(r"(opened|closed|allow|deny|drop) \d{4}-\d\d-\d\dT[\d:.]+Z gate=([^ \"\n]+|\"([^\"\\]|\\.)*\") connection=1 ")


@pytest.mark.parametrize("filtering", [["--filter"], []], ids=["filtered", "unfiltered"])
def test_an_event_of_the_log_is_one_line_whatever_anything_is_called(workshop, bus, filtering):
    """D-Bus keeps out of names what would be a problem, but not length; a file's name may have anything."""
    proxy = workshop.keep(NamesProxy(workshop.directory, bus.address, "--log", *filtering, socket='a\nallow b="c" \x1b[31m/bus'))
    client = join_in_steps(workshop, proxy.path)
    for path in ("/" + "x" * 100000, "/_"):
        client.send(call(client.next_serial(), "com.example." + "n" * 200, "m" * 255, "i." + "i" * 253, path))
    # A name that cannot be one, where one belongs.
    client.ask_driver("GetNameOwner", signature="s", args=["a\nallow all"])
    client.ask_driver("RequestName", signature="su", args=["a\nallow all", 0])
    client.close()
    proxy.out.wait_for("closed ")
    assert all(EVENT.match(line) for line in proxy.out.lines), proxy.out.lines
    assert len(proxy.out.matching("member=mmm")) == 2


# Activation

STARTED = """
import sys
sys.path.insert(0, {where!r})
from wire import Client, driver_call
client = Client({path!r})
client.authenticate()
client.say_hello()
# What is waiting for the service comes before the answer to this.
client.send(driver_call(client.next_serial(), "RequestName", signature="su", args=[{name!r}, 0]))
client.answer(client.receive_member("Do"))
client.expect_end()
"""


@pytest.fixture
def starting(workshop, bus_program):
    """A bus that starts com.example.Started and com.example.Secret when they are asked for, and a proxy that opens the first."""
    services = {}
    for name in ("Started", "Secret"):
        script = workshop.directory / f"{name}.py"
        script.write_text(STARTED.format(where=os.path.dirname(__file__), path=str(workshop.directory / "bus"), name=E + name))
        services[E + name] = f"/usr/bin/python3 {script}"
    bus = workshop.bus(activatable=services)
    proxy = workshop.keep(NamesProxy(workshop.directory, bus.address, "--filter", f"--talk={E}Started", f"--see={E}Secret"))
    return join_in_steps(workshop, proxy.path), join(workshop, bus.path)


@pytest.mark.parametrize("how", ["by a call", "by StartServiceByName"])
def test_a_service_with_talk_is_started_and_one_with_see_is_not(starting, how):
    client, outside = starting
    if how == "by a call":
        assert client.ask(E + "Secret", "Do").error == DENIED
        assert client.ask(E + "Started", "Do").type == METHOD_RETURN
    else:
        assert client.ask_driver("StartServiceByName", signature="su", args=[E + "Secret", 0]).error == UNKNOWN
        assert client.ask_driver("StartServiceByName", signature="su", args=[E + "Started", 0]).args == [1]
        assert client.ask(E + "Started", "Do").type == METHOD_RETURN
    assert outside.ask_driver("NameHasOwner", signature="s", args=[E + "Secret"]).args == [0]


# Beyond the manual

def test_a_glob_may_vary_any_part_of_a_name(workshop, bus):
    """The peer takes it for a name that cannot be."""
    proxy = workshop.keep(NamesProxy(workshop.directory, bus.address, "--filter", "--talk=com.*.Leaf", f"--call={E}a?.Name={OPEN}.*", "--own=com.*.Mine-?"))
    services = {name: join(workshop, bus.path) for name in ("com.one.two.Leaf", "com.one.Leaves", E + "ab.Name", E + "abc.Name")}
    for name, service in services.items():
        service.request_name(name)
    client = join_in_steps(workshop, proxy.path)
    for name, service in services.items():
        serial = client.next_serial()
        client.send(call(serial, name, "Do"))
        if name in ("com.one.two.Leaf", E + "ab.Name"):
            service.answer(service.receive_member("Do"))
            assert client.receive_reply(serial).type == METHOD_RETURN
        else:
            assert client.receive_reply(serial).error == UNKNOWN
    assert [client.ask_driver("RequestName", signature="su", args=[name, 0]).error for name in ("com.x.Mine-1", "com.x.Mine-12")] == [None, DENIED]


def change(serial, *names):
    return signal_message(serial, "NameOwnerChanged", DRIVER, DRIVER_PATH, sender=DRIVER, signature="sss", args=names)


def test_a_name_that_changes_its_owner_a_million_times_costs_nothing_lasting(workshop):
    """Each owner leaves the bus after it had the name."""
    bus, name = raw_bus(workshop), E + "Talk"
    proxy = workshop.keep(NamesProxy(workshop.directory, bus.address, "--filter", f"--talk={name}"))

    def tell_owner(side, unique):
        """Match rules, and who has the name."""
        while (asked := side.receive()).member != "GetNameOwner":
            side.reply(asked, unique)
        side.reply(asked, unique, signature="s", args=[":2.0"])

    observer = workshop.keep(bus.accept())
    observer.handshake()
    observer.answer_hello(":1.2")
    tell_owner(observer, ":1.2")
    client, side = introduce(workshop, proxy, bus)
    tell_owner(side, ":1.7")
    rounds, owners = 1000, [f":2.{number}" for number in range(1000)]
    one_round = b"".join(change(9, name, old, new) + change(9, old, old, "") for old, new in zip(owners, owners[1:] + owners[:1]))

    def settle():
        serial = client.next_serial()
        client.send(driver_call(serial, "GetId"))
        asked = side.receive_member("GetId")
        side.reply(asked, signature="s", args=["0" * 32])
        assert [one.member for one in client.receive_until(lambda one: one.reply == serial)[:-1]] == []
        return proxy.resident_kib()

    observer.send(one_round)
    side.send(one_round)
    before = settle()
    for _ in range(rounds - 1):
        observer.send(one_round)
        side.send(one_round)
    assert settle() - before < 64
    # What remains is the last owner, and nobody else.
    client.send(call(77, owners[0], "Do") + call(78, owners[1], "Do"))
    assert client.receive().reply == 78
    assert side.receive().serial == 77
