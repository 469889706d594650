"""What the journal of a unit has under a real journald, which finds out by itself whose an entry is."""


def test_why_a_service_does_not_start_is_an_error_of_its_unit(host):
    name = host.instance("misspelt", "[")
    host.run(f"systemctl start busgate@{name}.service", check=False)
    host.run(f"systemctl stop busgate@{name}.socket busgate@{name}.service; journalctl --sync")
    said = host.run(f"journalctl --no-pager -o cat --priority=err --unit=busgate@{name}.service").output
    assert said.count(f"/etc/busgate/{name}.json:2:1: error: unexpected end of the document") == 1


def test_denials_are_the_units_the_instances_and_found_by_their_message_id(host):
    name = host.instance("denying")
    host.call(name, "SetTemperature", "30")
    denied = f"journalctl --sync; journalctl --no-pager -o cat -u busgate@{name} MESSAGE_ID=$(busgate --list message-ids | head -n 1 | cut -f 1)"
    said = host.run(denied).output
    assert said.startswith(f"deny {name}/system: pid ") and "which misses method" in said
    assert host.run(f"{denied} BUSGATE_INSTANCE=radio").output.strip() in ("", "-- No entries --")
