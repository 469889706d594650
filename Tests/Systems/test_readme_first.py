"""README's first commands, as they stand there, in a Debian 12 that has neither Swift nor busgate: from nothing to a filtered container."""

import re

import pytest

from packages import NAMES, package
from roots import TREE

README = (TREE / "README.md").read_text()
# Each block's language, empty if it has none, and what stands in it.
BLOCKS = re.findall(r"^```([a-z]*)\n(.*?)^```$", README, re.M | re.S)
COMMANDS = next(text for language, text in BLOCKS if language == "sh").replace("\\\n", "").splitlines()
SESSION = next(text for language, text in BLOCKS if not language and text.startswith("# ")).splitlines()
ASKED = [line.removeprefix("# ") for line in SESSION if line.startswith("# ")]
SHOWN = [line for line in SESSION if not line.startswith("# ")]


def inside(guest, *commands):
    """What commands say in README's container, a shell that is typed into."""
    script = "\n".join([f"{COMMANDS[2].removeprefix('sudo ')} <<'END'", *[f"{command} 2>&1" for command in commands], "true", "END"])
    return guest.run(script).output


@pytest.fixture(scope="module")
def guest(systems):
    """README's first two commands were given, with the packages that `make deb` makes; no client has come yet."""
    assert len(COMMANDS) == 3 and COMMANDS[0].startswith("make deb && ") and COMMANDS[2].endswith(" bash")
    overlay = systems.overlay("bookworm")
    for file in [package("deb", name) for name in NAMES]:
        overlay.put(file, f"/root/checkout/build/packages/{file.name}")
    overlay.put(TREE / "configs", "/root/checkout/configs")
    guest = systems.boot(overlay)
    # Without network: what the packages recommend can't be fetched.
    install = COMMANDS[0].removeprefix("make deb && ").replace("install -y", "install -y --no-install-recommends")
    guest.run("\n".join(["set -e", "cd /root/checkout", 'sudo() { "$@"; }', install, COMMANDS[1]]))
    return guest


def test_three_commands_lead_to_a_container_that_is_answered_what_readme_shows(guest):
    # Twice: the first client starts the service.
    for _ in range(2):
        allowed, refused = inside(guest, *ASKED).splitlines()
        assert re.fullmatch(r's "252[^"]*"', allowed) and SHOWN[0].startswith('s "252')
        assert refused == SHOWN[1]


def test_what_the_container_is_refused_is_done_for_the_host(guest):
    harmless = ASKED[1].replace("Reboot", "ResetFailed")
    assert inside(guest, harmless) == SHOWN[1] + "\n"
    assert guest.run(harmless).output == ""


def test_the_journal_says_who_asked_for_what_and_that_it_was_refused(guest):
    inside(guest, *ASKED)
    entries = guest.run("journalctl --sync; journalctl -u busgate@demo.service -o json").output
    assert '"BUSGATE_INSTANCE":"demo"' in entries and '"BUSGATE_MEMBER":"Reboot"' in entries and '"BUSGATE_VERDICT":"deny"' in entries
