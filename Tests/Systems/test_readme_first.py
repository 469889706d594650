"""README's first commands, as they stand there, in a Debian 12 that has neither Swift nor busgate: from nothing to a filtered container."""

import re

import pytest

from roots import TREE

README = (TREE / "README.md").read_text()


def blocks(language):
    return re.findall(rf"(?m)^```{language}\n(.*?)^```$", README, re.S)


@pytest.fixture(scope="module")
def said(systems, packages):
    """What README's commands say inside the container, with the packages that `make deb` made."""
    commands = [line for line in blocks("sh")[0].replace("\\\n", "").splitlines() if line]
    assert len(commands) == 3 and commands[0].startswith("make deb && ") and commands[2].endswith(" bash")
    asked = [line.removeprefix("# ") for line in blocks("")[1].splitlines() if line.startswith("# ")]
    overlay = systems.overlay("bookworm")
    for package in packages:
        overlay.put(package, f"/root/checkout/build/packages/{package.name}")
    overlay.put(TREE / "configs", "/root/checkout/configs")
    guest = systems.boot(overlay)
    script = "\n".join(["set -e", "cd /root/checkout", 'sudo() { "$@"; }', commands[0].removeprefix("make deb && ").replace("install ", "install -y "),
                        commands[1], f"{commands[2]} <<'END'", *[f"{one} 2>&1" for one in asked], "true", "END"])
    return guest, guest.run(script).output, asked


def test_three_commands_lead_to_a_container_that_is_answered_what_readme_shows(said):
    _, output, _ = said
    shown = [line for line in blocks("")[1].splitlines() if not line.startswith("# ")]
    assert len(shown) == 2
    assert re.search(r'^s "252[^"]*"$', output, re.M) and shown[0].startswith('s "252')
    assert shown[1] in output.splitlines()


def test_what_readme_shows_refused_is_done_without_the_gate_s_socket_in_between(said):
    """The twin: the host's own bus answers what the container was refused, so it was the gate that refused it."""
    guest, _, asked = said
    allowed = asked[0].replace("Version", "Architecture")
    assert guest.run(allowed).output.startswith("s ")
    assert "is not allowed by the SYSTEM policy" not in guest.run(asked[1].replace("Reboot", "Subscribe"), check=False).output


def test_the_journal_says_what_was_denied_and_to_whom(said):
    guest, _, _ = said
    journal = guest.run("journalctl --sync; journalctl -u busgate@demo.service -o json").output
    assert '"BUSGATE_INSTANCE":"demo"' in journal and '"BUSGATE_MEMBER":"Reboot"' in journal and '"BUSGATE_VERDICT":"deny"' in journal
