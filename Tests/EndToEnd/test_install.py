"""`make install` and `make uninstall`, by the program that they call: what stands where, and that nothing is half-made when something is in the way."""

import os
import re
import shutil
import stat
import subprocess

import pytest

from harness import PATIENCE, ROOT

INSTALL = ROOT / "contrib/packaging/install"
USUAL = "usr/local"
# The places that are promised, below the prefix.
PLACES = """bin/busgate bin/busgatectl libexec/busgate/dbus-proxy libexec/busgate/xdg-dbus-proxy lib/systemd/system/busgate@.service
  lib/systemd/system/busgate@.socket lib/systemd/user/busgate@.service lib/systemd/user/busgate@.socket lib/tmpfiles.d/busgate.conf
  lib/systemd/catalog/busgate.catalog share/busgate/gateway.schema.json share/man/man1/busgate.1 share/man/man1/busgatectl.1
  share/man/man1/busgatectl-check.1 share/man/man1/dbus-proxy.1 share/man/man1/xdg-dbus-proxy.1 share/man/man5/busgate.json.5
  share/bash-completion/completions/busgate share/bash-completion/completions/busgatectl share/zsh/site-functions/_busgate
  share/zsh/site-functions/_busgatectl share/fish/vendor_completions.d/busgate.fish share/fish/vendor_completions.d/busgatectl.fish
  share/doc/busgate/README.md share/doc/busgate/OPERATORS.md share/doc/busgate/THREAT-MODEL.md
  share/doc/busgate/PACKAGING.md
  share/doc/busgate/SECURITY.md share/doc/busgate/CHANGELOG.md share/doc/busgate/LICENSE
  share/doc/busgate/examples/policies/temperature.json""".split()


def install(*words, program=INSTALL, before=()):
    return subprocess.run([str(word) for word in (*before, program, *words)], capture_output=True, text=True, timeout=PATIENCE)


def contents(directory):
    """Everything below a directory: what it is, and what is in it."""
    found = {}
    for path in sorted(directory.rglob("*")):
        kind = stat.S_IFMT(path.lstat().st_mode)
        found[path.relative_to(directory).as_posix()] = (
            kind, os.readlink(path) if path.is_symlink() else path.read_bytes() if kind == stat.S_IFREG else None)
    return found


def files(directory):
    return [path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("installed")
    done = install("/usr/local", directory)
    assert done.returncode == 0, done.stderr
    return directory / USUAL


def refused(done, *parts):
    """Status 1 and one line that has all parts in it."""
    assert done.returncode == 1 and done.stderr.count("\n") == 1, (done.returncode, done.stderr)
    for part in parts:
        assert str(part) in done.stderr, done.stderr


# What is there

def test_everything_that_is_promised_has_its_place(installed):
    assert not [place for place in PLACES if not (installed / place).is_file()]


def test_nothing_else_is_there_than_busgates_own(installed):
    foreign = [path for path in files(installed) if "busgate" not in path.relative_to(installed).as_posix() and path.name.split(".")[0] not in
               ("dbus-proxy", "xdg-dbus-proxy")]
    assert not foreign


def test_the_other_names_are_links_to_the_program_and_run_from_there(installed):
    for name in ("dbus-proxy", "xdg-dbus-proxy"):
        place = installed / "libexec/busgate" / name
        assert os.readlink(place) == "../../bin/busgate"
        assert name in subprocess.run([place, "--help"], capture_output=True, text=True, check=True).stdout


def test_programs_may_be_run_and_the_rest_only_read(installed):
    for path in files(installed):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o755 if path.parent.name == "bin" else mode & 0o755 | 0o644), path
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o755 for path in installed.rglob("*") if path.is_dir())


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/opt/bus-gate"])
def test_units_and_pages_name_the_program_where_it_is(tmp_path, prefix):
    assert install(prefix, tmp_path).returncode == 0
    place = tmp_path / prefix[1:]
    for unit in ("system", "user"):
        text = (place / "lib/systemd" / unit / "busgate@.service").read_text()
        assert f"ExecStart={prefix}/bin/busgate run" in text and (prefix == "/usr" or "/usr/bin/busgate" not in text)
    # Below /usr this name is the page of the program that ours stands in for.
    name = "xdg-dbus-proxy.1busgate" if prefix == "/usr" else "xdg-dbus-proxy.1"
    assert [path.name for path in (place / "share/man/man1").glob("xdg*")] == [name]
    text = (place / "share/man/man1/busgate.1").read_text()
    assert prefix.replace("-", "\\-") + "/share/doc/busgate/" in text and "@" not in text.replace("busgate@", "").replace("[METHOD][@PATH]", "")


def test_links_between_installed_pages_lead_to_pages(installed):
    text = (installed / "share/doc/busgate/README.md").read_text()
    assert "[OPERATORS.md](OPERATORS.md)" in text and "](examples/policies/README.md)" in text and "](contrib/" not in text


def test_no_relative_link_of_an_installed_page_is_dead(installed):
    """To whatever is no page of the source's address: a file, or a heading of one."""
    links = [(page, link) for page in sorted(installed.rglob("*.md")) for link in re.findall(r"\]\(([^)\s]*)\)", page.read_text()) if "://" not in link]
    dead = []
    for page, link in links:
        path, _, anchor = link.partition("#")
        place = page.parent / path if path else page
        titles = re.findall(r"^#+ (.*)$", place.read_text(), re.M) if place.is_file() else []
        if not place.is_file() or anchor and anchor not in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]:
            dead.append((page.name, link))
    assert len(links) > 20 and not dead


def test_the_installed_readme_has_no_section_for_contributors_and_names_the_licence(installed):
    source, text = (ROOT / "README.md").read_text(), (installed / "share/doc/busgate/README.md").read_text()
    for part in ("## Where things are\n", "## Change it\n"):
        assert part in source and part not in text
    assert "\n## Use it\n" in text and text.endswith("Changes: CHANGELOG.\n") and "Licence: Apache-2.0" in text


def test_nothing_that_is_installed_names_the_place_where_it_was_built(installed):
    assert not [path for path in files(installed) if str(ROOT).encode() in path.read_bytes()]


# Again, and away

def test_installing_again_changes_nothing_and_leaves_nothing_aside(tmp_path):
    assert install("/usr/local", tmp_path).returncode == 0
    first = contents(tmp_path)
    (tmp_path / USUAL / "bin/busgate").write_text("an earlier one")
    assert install("/usr/local", tmp_path).returncode == 0
    assert contents(tmp_path) == first


def test_uninstalling_leaves_what_is_not_its_own(tmp_path):
    other = tmp_path / USUAL / "share/doc/busgate/notes"
    other.parent.mkdir(parents=True)
    other.write_text("of the administrator")
    assert install("/usr/local", tmp_path).returncode == 0
    assert install("--uninstall", "/usr/local", tmp_path).returncode == 0
    assert files(tmp_path) == [other]
    assert not (tmp_path / USUAL / "libexec/busgate").exists() and (tmp_path / USUAL / "bin").is_dir()


def test_uninstalling_leaves_no_empty_directory_where_only_systemd_looks_and_others_files_stay(tmp_path):
    place = tmp_path / USUAL / "lib"
    other = place / "systemd/user/other.service"
    other.parent.mkdir(parents=True)
    other.write_text("somebody's")
    assert install("/usr/local", tmp_path).returncode == 0
    assert (place / "systemd/catalog").is_dir() and (place / "tmpfiles.d").is_dir()
    assert install("--uninstall", "/usr/local", tmp_path).returncode == 0
    assert [path.relative_to(place).as_posix() for path in sorted(place.rglob("*"))] == ["systemd", "systemd/user", "systemd/user/other.service"]


def test_uninstalling_leaves_a_link_that_stands_for_a_directory(tmp_path):
    (tmp_path / "units").mkdir()
    (tmp_path / USUAL / "lib").mkdir(parents=True)
    (tmp_path / USUAL / "lib/systemd").symlink_to("../../../units")
    assert install("/usr/local", tmp_path).returncode == 0
    assert install("--uninstall", "/usr/local", tmp_path).returncode == 0
    assert (tmp_path / USUAL / "lib/systemd").is_symlink() and not files(tmp_path / "units")


# In the way

def directory_for_a_file(root):
    (root / USUAL / "bin/busgatectl").mkdir(parents=True)


def file_for_a_directory(root):
    (root / USUAL / "share").mkdir(parents=True)
    (root / USUAL / "share/man").write_text("a file")


def fifo_for_a_file(root):
    (root / USUAL / "share/busgate").mkdir(parents=True)
    os.mkfifo(root / USUAL / "share/busgate/gateway.schema.json")


def dead_link_for_a_directory(root):
    (root / USUAL).mkdir(parents=True)
    (root / USUAL / "lib").symlink_to("nowhere")


def link_out_of_the_root(root):
    (root / USUAL).mkdir(parents=True)
    (root / USUAL / "lib").symlink_to("/usr/lib")


IN_THE_WAY = {directory_for_a_file: "bin/busgatectl is in the way", file_for_a_directory: "share/man is in the way",
              fifo_for_a_file: "gateway.schema.json is in the way", dead_link_for_a_directory: "lib is in the way",
              link_out_of_the_root: "leads out of"}


@pytest.mark.parametrize("prepare", IN_THE_WAY, ids=lambda function: function.__name__)
def test_what_is_in_the_way_is_named_and_nothing_is_changed(tmp_path, prepare):
    prepare(tmp_path)
    before = contents(tmp_path)
    refused(install("/usr/local", tmp_path), IN_THE_WAY[prepare])
    assert contents(tmp_path) == before


def test_a_link_that_stays_in_the_root_is_followed_and_one_for_a_file_is_replaced(tmp_path):
    (tmp_path / USUAL / "bin").mkdir(parents=True)
    (tmp_path / "lib").mkdir()
    (tmp_path / USUAL / "lib").symlink_to("../../lib")
    (tmp_path / "other").write_text("somebody's")
    (tmp_path / USUAL / "bin/busgate").symlink_to(tmp_path / "other")
    assert install("/usr/local", tmp_path).returncode == 0
    assert (tmp_path / "lib/systemd/system/busgate@.service").is_file()
    assert (tmp_path / "other").read_text() == "somebody's" and not (tmp_path / USUAL / "bin/busgate").is_symlink()


def inside(directory, *options):
    """bwrap, which sees a directory as /mnt."""
    return ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", ROOT, ROOT, *options, "--die-with-parent"]


def test_a_root_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / USUAL / "bin").mkdir(parents=True)
    refused(install("/usr/local", "/mnt", before=inside(tmp_path, "--ro-bind", tmp_path, "/mnt")), "/mnt", "cannot be written")


@pytest.mark.parametrize("place, mode", [("share", 0o000), ("share", 0o500), ("share/doc/busgate", 0o000), ("bin", 0o400)])
def test_a_directory_that_cannot_be_read_or_written_is_named_and_nothing_is_changed(tmp_path, place, mode):
    """As somebody without root's privileges."""
    directory = tmp_path / USUAL / place
    directory.mkdir(parents=True)
    before = contents(tmp_path)
    directory.chmod(mode)
    done = install("/usr/local", "/mnt", before=inside(tmp_path, "--bind", tmp_path, "/mnt", "--unshare-user", "--uid", "1000"))
    directory.chmod(0o755)
    refused(done, f"/mnt/{USUAL}/{place}")
    assert contents(tmp_path) == before


def test_a_disk_that_is_full_leaves_what_was_there_as_it_was(tmp_path):
    """On a file system of 20 MB with an earlier busgate: there is room for one program more, not for both."""
    script = f"""mkdir -p /mnt/{USUAL}/bin && echo earlier > /mnt/{USUAL}/bin/busgate && cd /mnt
      {INSTALL} /usr/local /mnt; echo status $?; find . ! -type d; cat {USUAL}/bin/busgate"""
    done = subprocess.run([str(word) for word in inside(tmp_path, "--size", "20000000", "--tmpfs", "/mnt", "bash", "-c", script)],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.splitlines() == ["status 1", f"./{USUAL}/bin/busgate", "earlier"], (done.stdout, done.stderr)
    assert f"/mnt/{USUAL}/bin/busgatectl: No space left on device; nothing has been changed" in done.stderr and done.stderr.count("\n") == 1


# The checkout

@pytest.mark.parametrize("missing", ["contrib/systemd/system", "contrib/systemd/busgate.catalog", "contrib/examples", "build/share", "build/bin/busgatectl"])
def test_what_the_checkout_lacks_is_named_and_nothing_is_installed(tmp_path, missing):
    tree = tmp_path / "tree"
    for part in ("contrib/packaging", "contrib/systemd", "contrib/examples", "configs"):
        shutil.copytree(ROOT / part, tree / part)
    for part in ("build/share", "build/bin"):
        shutil.copytree(ROOT / part, tree / part, symlinks=True)
    for page in [*ROOT.glob("*.md"), ROOT / "LICENSE", *(ROOT / "contrib").glob("*.md")]:
        shutil.copy(page, tree / page.relative_to(ROOT))
    assert install("/usr/local", tmp_path / "whole", program=tree / "contrib/packaging/install").returncode == 0
    place = tree / missing
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    refused(install("/usr/local", tmp_path / "root", program=tree / "contrib/packaging/install"), missing, "is missing")
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("words, said", [([], "usage:"), (["usr"], "begins with /"), (["/opt/bus gate"], "letters"), (["/usr", "a", "b"], "usage:")])
def test_a_command_line_that_cannot_be_meant_is_said(words, said):
    refused(install(*words), said)
