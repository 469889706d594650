"""What the other tests of this folder stand on: roots that are made once, packages that are unpacked, guests that boot."""

import os
import subprocess

import pytest

import roots

VERSIONS = {"bookworm": 252, "trixie": 257}


@pytest.mark.parametrize("name", VERSIONS)
def test_a_guest_has_a_real_systemd_as_its_first_process_and_everything_is_up(systems, name):
    guest = systems.boot(systems.overlay(name))
    assert guest.run("systemctl --version").output.startswith(f"systemd {VERSIONS[name]} ")
    assert guest.run("cat /proc/1/comm; systemctl is-system-running").output.split() == ["systemd", "running"]
    assert guest.run("exit 3", check=False).status == 3


def test_what_is_written_to_an_overlay_is_in_no_other(systems):
    first, second = systems.overlay("bookworm"), systems.overlay("bookworm")
    first.write("/etc/ours", "ours")
    first.run("touch", "/usr/bin/made-inside")
    assert first.run("cat", "/etc/ours").stdout == "ours"
    assert first.run("test", "-e", "/usr/bin/made-inside").returncode == 0
    assert second.run("ls", "/etc/ours", "/usr/bin/made-inside", check=False).returncode != 0
    assert not (roots.root("bookworm") / "etc/ours").exists()


def test_no_root_has_a_compiler_of_swift(systems):
    for name in roots.ROOTS:
        assert systems.overlay(name).run("sh", "-c", "command -v swift swiftc; ls -d /usr/lib/swift* || true").stdout.count("/usr/lib/swift") == 1


def test_a_package_is_unpacked_and_not_installed():
    directory = roots.unpacked("systemd-container", "libsystemd-shared")
    assert (directory / "usr/bin/systemd-nspawn").is_file() and not list(directory.glob("*.deb"))
    assert not (directory / "var/lib/dpkg").exists()


def test_another_list_of_packages_makes_another_root(tmp_path, monkeypatch):
    monkeypatch.setattr(roots, "SYSTEMS", tmp_path)
    made = []

    def make(directory):
        made.append(directory)
        (directory / "file").touch()

    first = roots.made_once("roots", "name", ["one"], make)
    assert roots.made_once("roots", "name", ["one"], make) == first and len(made) == 1
    second = roots.made_once("roots", "name", ["one", "two"], make)
    assert second != first and len(made) == 2 and (second / "file").exists() and first.exists()
    os.utime(first, (0, 0))
    roots.made_once("roots", "name", ["three"], make)
    assert not first.exists() and second.exists()


def test_what_could_not_be_made_is_not_half_there(tmp_path, monkeypatch):
    monkeypatch.setattr(roots, "SYSTEMS", tmp_path)

    def make(directory):
        (directory / "file").touch()
        raise roots.Unavailable("no network")

    for _ in range(2):
        with pytest.raises(roots.Unavailable):
            roots.made_once("roots", "name", "key", make)
    assert not list((tmp_path / "roots").iterdir())


def test_without_network_and_without_a_cache_it_says_what_is_missing_and_fails(tmp_path):
    """In a network namespace without any, by the same path that the tests of a root take."""
    done = subprocess.run(["unshare", "--net", "/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{roots.HERE}/test_roots.py",
                           "-k", "in_no_other"], env={**roots.ENVIRONMENT, "BUSGATE_SYSTEMS": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1 and "1 failed" in done.stdout, done.stdout
    assert "the package debootstrap can't be had, and is not in" in done.stdout and "no network?" in done.stdout
    assert "Traceback" not in done.stdout and len(done.stdout.splitlines()) < 15, done.stdout


def test_a_signature_that_is_not_debians_is_not_believed(tmp_path):
    """debootstrap as `root` calls it, with an archive's Release that nobody signed."""
    lists = tmp_path / "archive/dists/bookworm"
    lists.mkdir(parents=True)
    (lists / "InRelease").write_text("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nCodename: bookworm\n"
                                     "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n")
    with pytest.raises(roots.Unavailable, match="signature|InRelease|Release"):
        roots.debootstrap(tmp_path / "root", "bookworm", f"file://{tmp_path}/archive", tmp_path / "log")
    assert not (tmp_path / "root/usr").exists()
