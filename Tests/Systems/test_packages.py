"""The packages: what is in them, what lintian says of them, and what they leave of a fresh root file system, which has nothing of Swift."""

import hashlib
import io
import lzma
import os
import re
import subprocess
import tarfile

import pytest

import roots
from packages import BUILD, NAMES, Image, deb, digests, files, made, package, put, run, text, tree

# lintian's word for strings in which the compiler put two words side by side.
NO_MATTER = "I: busgate(ctl)?: spelling-error-in-binary"


def listing(overlay):
    """Every file of a root with its digest; not what dpkg itself remembers, and logs."""
    script = "find / -xdev -not -type d -not -path '/share/*' -not -path '/var/lib/dpkg/*' -not -path '/var/log/*' -not -path '/tmp/*' -printf '%p %l\\n' | sort"
    names = set(overlay.run("sh", "-c", script).stdout.splitlines())
    packages = set(overlay.run("sh", "-c", "ls /var/lib/dpkg/info; find / -xdev -type d -not -path '/tmp/*'").stdout.splitlines())
    return names | packages


# What is in them

def test_lintian_finds_neither_errors_nor_warnings(systems):
    overlay = systems.overlay("tools")
    put(overlay, *(package("deb", name) for name in NAMES))
    said = overlay.run("sh", "-c", "lintian --allow-root -EI --fail-on none --tag-display-limit 0 /share/*.deb").stdout.splitlines()
    assert not [line for line in said if re.match("[A-Z]: ", line) and not line.startswith("N: ") and not re.match(NO_MATTER, line)], said


def test_lintian_would_say_it_if_something_were_wrong(systems):
    overlay = systems.overlay("tools")
    put(overlay, package("deb", "busgate"))
    overlay.run("sh", "-c", "cd /root; dpkg-deb -R /share/*.deb d; rm d/usr/share/doc/busgate/copyright d/usr/share/lintian/overrides/busgate; dpkg-deb -b d x.deb")
    said = overlay.run("lintian", "--allow-root", "--fail-on", "none", "/root/x.deb").stdout
    assert "E: busgate: no-copyright-file" in said and "E: busgate: statically-linked-binary" in said


def test_every_override_has_its_reason_above_it():
    for path in (roots.TREE / "contrib/packaging/debian").glob("*.lintian-overrides"):
        before = ""
        for line in path.read_text().splitlines():
            assert line.startswith("#") or before.startswith("#") or before.split()[:2] == line.split()[:2], line
            before = line


@pytest.mark.parametrize("name", NAMES)
def test_a_package_belongs_to_root_and_only_programs_and_directories_may_be_run(name):
    found = deb(name)
    assert len(found) > 15 and {file.owner for file in found.values()} == {"0:0"}
    for path, file in found.items():
        if file.kind == tarfile.REGTYPE and not path.startswith("usr/share/doc/busgate/examples/"):
            assert file.mode == (0o755 if path.startswith("usr/bin/") else 0o644), path
        elif file.kind == tarfile.DIRTYPE:
            assert file.mode == 0o755, path


@pytest.mark.parametrize("name", NAMES)
def test_dpkgs_sums_are_those_of_the_files(name, tmp_path):
    run("dpkg-deb", "-R", package("deb", name), tmp_path)
    listed = {line.split("  ")[1] for line in (tmp_path / "DEBIAN/md5sums").read_text().splitlines()}
    assert listed == {path for path, file in deb(name).items() if file.kind == tarfile.REGTYPE}
    run("md5sum", "--quiet", "-c", "DEBIAN/md5sums", cwd=tmp_path)


def test_only_busgate_has_the_directory_of_policies():
    assert "etc/busgate" in deb("busgate") and not [path for path in deb("busgatectl") if path.split("/")[0] == "etc"]


def test_no_relative_link_of_a_page_of_the_packages_is_dead():
    """Of both together: busgate recommends busgatectl, and no page is in the latter."""
    found = {path: file for name in NAMES for path, file in deb(name).items()}
    links = [(path, link) for path, file in found.items() if path.endswith(".md") for link in re.findall(r"\]\((?!https:)([^)#\s]+)", file.content.decode())]
    dead = [(path, link) for path, link in links if os.path.normpath(os.path.join(os.path.dirname(path), link)) not in found]
    assert len(links) > 20 and not dead


def test_no_file_names_the_place_where_it_was_built():
    found = {f"{name}: {path}": file for name in NAMES for path, file in deb(name).items()}
    found |= {f"tarball: {path}": file for path, file in files(made("tarball")[0]).items()}
    assert not [path for path, file in found.items() if isinstance(file.content, bytes) and str(roots.TREE).encode() in text(file)]


@pytest.mark.parametrize("target", ["deb", "rpm", "tarball", "image"])
def test_the_same_tree_makes_the_same_bytes(target):
    first = digests(made(target))
    made.cache_clear()
    second = digests(made(target))
    assert first == second and first


def test_another_time_makes_other_bytes_and_stands_in_them(monkeypatch):
    before = digests(made("image"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    made.cache_clear()
    other = Image(made("image")[0])
    assert digests([other.directory]) != before and other.config["created"] == "2023-11-14T22:13:20Z"
    monkeypatch.undo()
    made.cache_clear()
    assert digests(made("image")) == before


def test_the_package_xdg_dbus_proxy_may_be_there_too():
    theirs = tree(roots.unpacked("xdg-dbus-proxy"))
    assert any(path.endswith("xdg-dbus-proxy.1.gz") for path in theirs)
    both = {path for path, file in theirs.items() if file.kind != tarfile.DIRTYPE} & {path for name in NAMES for path in deb(name)}
    assert not both


# In a fresh root

def test_the_deb_is_installed_in_a_fresh_root_runs_and_a_purge_leaves_nothing(systems):
    overlay = systems.overlay("bookworm")
    put(overlay, *(package("deb", name) for name in NAMES))
    before = listing(overlay)
    overlay.run("sh", "-c", "dpkg -i /share/*.deb")
    assert overlay.run("busgate", "--version").stdout.split()[0] == "busgate"
    assert overlay.run("busgatectl", "check", "/usr/share/doc/busgate/examples/policies/temperature.json").returncode == 0
    assert overlay.run("/usr/libexec/busgate/dbus-proxy", "--version").stdout.startswith("usage: dbus-proxy")
    assert overlay.run("systemctl", "is-enabled", "busgate@radio.socket", check=False).stdout.strip() == "disabled"
    assert len(listing(overlay) - before) > 60
    # What an administrator has made by systemctl enable goes, too.
    overlay.run("systemctl", "enable", "busgate@radio.socket")
    overlay.run("dpkg", "--purge", *NAMES)
    after = listing(overlay)
    assert after == before, (sorted(after - before), sorted(before - after))


def test_removing_busgatectl_says_nothing_of_the_policies_that_are_busgates(systems):
    overlay = systems.overlay("bookworm")
    put(overlay, *(package("deb", name) for name in NAMES))
    overlay.write("/etc/busgate/radio.json", "[]")
    overlay.run("sh", "-c", "dpkg -i /share/*.deb")
    overlay.run("dpkg", "--remove", "busgate")
    assert "warning" not in overlay.run("sh", "-c", "dpkg --remove busgatectl 2>&1").stdout


def test_a_policy_of_the_administrators_survives_a_purge(systems):
    overlay = systems.overlay("bookworm")
    put(overlay, package("deb", "busgate"))
    overlay.write("/etc/busgate/radio.json", "[]")
    overlay.run("sh", "-c", "dpkg -i /share/*.deb && dpkg --purge busgate")
    assert overlay.run("cat", "/etc/busgate/radio.json").stdout == "[]"


def test_man_shows_the_pages_of_the_packages(systems):
    overlay = systems.overlay("tools")
    put(overlay, *(package("deb", name) for name in NAMES))
    overlay.run("sh", "-c", "dpkg -i /share/*.deb")
    for words, said in [(["busgate"], "SIGHUP"), (["busgate.json"], "object-path"), (["dbus-proxy"], "Pelagicore"), (["1busgate", "xdg-dbus-proxy"], "--talk"),
                        (["busgatectl-check"], "--strict")]:
        shown = overlay.run("sh", "-c", f"LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings {' '.join(words)} 2>&1 | cat").stdout
        assert said in shown and "warning:" not in shown, shown


# Of other systems

def unlike(path):
    """Debian's alone, or rpm's alone."""
    return re.match(r"usr/share/(lintian|licenses)\b|usr/share/doc/\w+/(copyright|changelog\.\S+|CHANGELOG\.md)$", path)


def alike(found):
    """What both packages have to have: paths, modes, contents; pages as they are read, and zsh's functions where either looks for them."""
    names = {path: path.removesuffix(".gz").replace("/vendor-completions/", "/site-functions/").replace("/zsh/vendor-completions", "/zsh/site-functions")
             for path in found}
    return {names[path]: (file.mode if file.kind == tarfile.REGTYPE else None, file.owner, file.kind, text(file) if isinstance(file.content, bytes) else file.content)
            for path, file in found.items() if path != "." and not unlike(path)}


def test_an_rpm_installs_into_a_root_and_has_what_the_deb_has(systems):
    overlay = systems.overlay("tools")
    put(overlay, *made("rpm"))
    overlay.run("sh", "-c", "mkdir /share/root; rpm --root /share/root -i --nodeps --noscripts /share/*.rpm")
    installed = {path: file for path, file in tree(overlay.share / "root").items() if path.split("/")[0] in ("etc", "usr")}
    assert alike(installed) == alike({path: file for name in NAMES for path, file in deb(name).items()})


def test_an_rpm_that_is_erased_leaves_nothing(systems):
    overlay = systems.overlay("tools")
    put(overlay, *made("rpm"))
    script = "find / -xdev -not -path '/share/*' -not -path '*/rpm*' -not -path '*/.rpm*' '(' -not -type d -o -name '*busgate*' ')' -not -path '/tmp/*' | sort"
    before = overlay.run("sh", "-c", script).stdout
    overlay.run("sh", "-c", "rpm -i --nodeps /share/*.rpm; busgate --version; busgatectl --version")
    assert overlay.run("sh", "-c", script).stdout.count("busgate") > 60
    overlay.run("rpm", "-e", *NAMES)
    assert overlay.run("sh", "-c", script).stdout == before


def test_the_tarball_is_unpacked_and_runs(systems):
    """In a root that has no xz: the machine unpacks it. What the page says to call then, is called."""
    overlay = systems.overlay("bookworm")
    [archive] = made("tarball")
    assert overlay.run("sh", "-c", "command -v xz", check=False).returncode != 0
    (overlay.share / "busgate.tar").write_bytes(lzma.decompress(archive.read_bytes()))
    overlay.run("tar", "-C", "/usr/local", "--strip-components=1", "-xf", "/share/busgate.tar")
    for name in NAMES:
        assert overlay.run(name, "--version").stdout.startswith(name)
    assert overlay.run("systemctl", "is-enabled", "busgate@radio.socket", check=False).stdout.strip() == "disabled"
    asked = "ls /run; journalctl --dump-catalog 2>&1"
    assert "busgate" not in overlay.run("sh", "-c", asked).stdout
    [steps] = re.findall(r"^apt-get install xz-utils.*?\ntar [^\n]*\n(.*?)```", (roots.TREE / "contrib/PACKAGING.md").read_text(), re.M | re.S)
    said = overlay.run("sh", "-c", steps.replace("systemctl daemon-reload\n", "") + asked).stdout
    assert "busgate\n" in said and "busgate(1)" in said, said
    assert "/usr/local/bin/busgate run" in overlay.run("cat", "/usr/local/lib/systemd/system/busgate@.service").stdout


# The image

def test_the_image_is_what_its_digests_say_and_small():
    image = Image(made("image")[0])
    assert [path.name for path in sorted(image.directory.iterdir())] == ["blobs", "index.json", "oci-layout"]
    named = {descriptor["digest"].split(":")[1] for descriptor in (image.entry, image.manifest["config"], image.descriptor)}
    assert {path.name for path in (image.directory / "blobs/sha256").iterdir()} == named
    [difference] = image.config["rootfs"]["diff_ids"]
    assert difference == f"sha256:{hashlib.sha256(image.layer).hexdigest()}"
    assert image.size() <= 12_000_000


def test_the_image_has_the_sidecar_its_names_and_nothing_else():
    found = files(io.BytesIO(Image(made("image")[0]).layer))
    assert {path for path, file in found.items() if file.kind != tarfile.DIRTYPE} == {
        "usr/bin/busgate", "usr/libexec/busgate/dbus-proxy", "usr/libexec/busgate/xdg-dbus-proxy"}
    assert found["usr/bin/busgate"].content == (BUILD / "bin/busgate").read_bytes() and found["usr/bin/busgate"].mode == 0o755


def test_the_image_runs_from_its_layer_alone(tmp_path):
    image = Image(made("image")[0])
    with tarfile.open(fileobj=io.BytesIO(image.layer)) as layer:
        layer.extractall(tmp_path)
    (tmp_path / "proc").mkdir()
    command = ["bwrap", "--ro-bind", tmp_path, "/", "--proc", "/proc", "--unshare-all", "--clearenv", *image.config["config"]["Entrypoint"], "--version"]
    assert run(*command).startswith("busgate ")


def test_podman_runs_the_image(systems):
    overlay = systems.overlay("trixie")
    put(overlay, made("image")[0])
    guest = systems.boot(overlay)
    said = guest.run("podman --cgroup-manager=cgroupfs run --rm --quiet --network=none --cgroups=disabled oci:/share/image --version").output
    assert said.splitlines()[-1].startswith("busgate ")


def test_a_purge_removes_nothing_of_what_is_mounted_below_its_directory_and_ends_well(tmp_path):
    script = """mkdir -p run/busgate/x/bus run/busgate/y/bus etc/systemd/system/real; ln -s real etc/systemd/system/linked
        ln -s /nowhere etc/systemd/system/real/busgate@x.socket; mount -t tmpfs none run/busgate/x/bus; echo keep >run/busgate/x/bus/file
        DPKG_ROOT=$PWD sh "$1" purge; find . -not -type d | sort; ls run/busgate"""
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "sh", roots.TREE / "contrib/packaging/debian/busgate.postrm"],
                          cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "./etc/systemd/system/linked\n./run/busgate/x/bus/file\nx\n"), done
