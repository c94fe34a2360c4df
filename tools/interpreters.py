"""Finds a real MicroPython of each word size, and fetches the distribution's own build where there is none.

A word is "amd64" (64-bit) or "i386" (32-bit, the word size of the ESP32). For each, in this order: `$MICROPYTHON` or
`$MICROPYTHON_I386`; `micropython` on PATH, if it is of that word size; `.cache/micropython/`; and, when asked for,
a download: the distribution's package and its libraries, signatures checked by a private apt which neither needs
root nor touches the system's, unpacked into the cache and run by their own dynamic loader beside the system's libc.

    find(word) -> argv or None      locate(word) -> (argv or None, why not)      require(word) -> argv, fetches
"""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

from tools import ROOT

CACHE = ROOT / ".cache" / "micropython"

# word: (how people call it, its sys.maxsize, the variable that names one)
WORDS = {
    "amd64": ("64-bit", 2**63 - 1, "MICROPYTHON"),
    "i386": ("32-bit", 2**31 - 1, "MICROPYTHON_I386"),
}

# The oldest MicroPython that Limpet supports.
OLDEST = (1, 25)

# Releases without a MicroPython of that age, and the next long-lived one that has it and whose keys they already hold.
# (Debian 12 has no package; Ubuntu 22.04 has 1.17 and 24.04 has 1.22.)
SUCCESSORS = {"bookworm": "trixie", "jammy": "resolute", "noble": "resolute"}

# Where the package and its libraries are.
COMPONENTS = {"debian": "main", "ubuntu": "main universe"}

# The native function is half of the question: the firmware needs a compiler that makes machine code.
PROBE = """
import sys
@micropython.viper
def native(n: int) -> int:
    return n
print(sys.maxsize, sys.implementation[1][0], sys.implementation[1][1])
"""

INSTALL = {
    "amd64": (
        "install MicroPython 1.25 or newer (Debian, Ubuntu: `apt install micropython`; macOS: `brew install "
        "micropython`) or set $MICROPYTHON to one"
    ),
    "i386": (
        "set $MICROPYTHON_I386 to a 32-bit MicroPython 1.25 or newer, or use Debian on x86-64, where `python3 -m tools "
        "interpreters` fetches one"
    ),
}

APT_CONFIG = """\
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State "{root}/state";
Dir::State::lists "lists";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Cache::archives "archives";
Dir::Log "{root}/log";
APT::Architecture "{architecture}";
#clear APT::Architectures;
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


class Unusable(Exception):
    """One line: why an interpreter cannot be used or fetched."""


def find(word: str) -> list[str] | None:
    """Return the argv that runs the MicroPython of this word size, or None. Fetches nothing."""
    return locate(word)[0]


def require(word: str) -> list[str]:
    """Return the argv that runs the MicroPython of this word size, fetched when necessary.

    Raises SystemExit with one line that tells what to do when there is none.
    """
    command, reason = locate(word)
    if command is None and not chosen(word) and cached(word) is None:
        try:
            fetch(word)
        except Unusable as error:
            raise SystemExit(f"{reason} (Not fetched: {error}.)") from None
        command, reason = locate(word)
    if command is None:
        raise SystemExit(reason)
    return command


def locate(word: str) -> tuple[list[str] | None, str]:
    """Return (argv, "") for the MicroPython of this word size, or (None, a line that tells what to do)."""
    name, _, variable = WORDS[word]
    path = chosen(word)
    if path:
        try:
            check([path], word)
        except Unusable as error:
            return None, f"${variable} is no {name} MicroPython for Limpet: {error}."
        return [path], ""
    reasons = ""
    path = shutil.which("micropython")
    if path:
        try:
            check([path], word)
            return [path], ""
        except Unusable as error:
            reasons = f" ({error})"
    command = cached(word)
    if command:
        try:
            check(command, word)
            return command, ""
        except Unusable as error:
            reasons = f" ({error}; delete {CACHE} to fetch it anew)"
    return None, f"No {name} MicroPython{reasons}: {INSTALL[word]}."


def chosen(word: str) -> str:
    """Return the path of the interpreter that the environment names for this word size, or an empty string."""
    path = os.path.expanduser(os.environ.get(WORDS[word][2], ""))
    return shutil.which(path) or path


def check(command: list[str], word: str) -> None:
    """Run `command` once and raise Unusable unless it is a MicroPython of this word size that Limpet runs on."""
    name, maxsize, _ = WORDS[word]
    try:
        answer = subprocess.run(
            [*command, "-c", PROBE], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unusable(f"{command[-1]} cannot run on this machine: {error}") from None
    if "invalid micropython decorator" in answer.stderr:
        raise Unusable(f"{command[-1]} makes no native code for this processor, {platform.machine()}")
    numbers = answer.stdout.split()
    if answer.returncode or len(numbers) != 3 or not all(map(str.isdigit, numbers)):
        raise Unusable(f"{command[-1]} does not answer as MicroPython does (exit status {answer.returncode})")
    found, major, minor = map(int, numbers)
    if found != maxsize:
        raise Unusable(f"{command[-1]} is not {name}")
    if (major, minor) < OLDEST:
        raise Unusable(f"{command[-1]} is {major}.{minor}, older than {OLDEST[0]}.{OLDEST[1]}")


def cached(word: str) -> list[str] | None:
    """Return the argv that runs the interpreter in the cache, or None when it is not there."""
    return command_in(CACHE / word)


def command_in(tree: pathlib.Path) -> list[str] | None:
    """Return the argv that runs the interpreter unpacked in `tree` by the dynamic loader beside it, or None.

    Without a shell in between, so that valgrind can run it.
    """
    binary = tree / "usr" / "bin" / "micropython"
    folders = [*sorted(tree.glob("usr/lib/*-linux-gnu")), *sorted(tree.glob("lib/*-linux-gnu"))]
    loaders = [loader for folder in folders for loader in sorted(folder.glob("ld-linux*.so.*"))]
    if not binary.exists() or not loaders:
        return None
    return [str(loaders[0]), "--library-path", ":".join(map(str, folders)), str(binary)]


def callgrind_command(interpreter: list[str], out_file: str = os.devnull) -> list[str]:
    """Return the argv that runs `interpreter` (argv) under valgrind's callgrind; its counts go to `out_file`.

    The total is the line `Collected : N` on stderr. Meant for "amd64": valgrind 3.19 cannot run the i386 loader.
    """
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out_file}"]
    with open(interpreter[0], "rb") as program:
        if program.read(2) == b"#!":
            valgrind.append("--trace-children=yes")  # a wrapper script: what it runs is what counts
    return valgrind + interpreter


def fetch(word: str) -> None:
    """Download the package for this word size and its libraries, and unpack them into the cache.

    Raises Unusable with one line when the machine or the distribution has none.
    """
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "AMD64", "i686"):
        raise Unusable(f"there is none to fetch for {platform.system()} on {platform.machine()}")
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Unusable("this system has no apt")
    CACHE.mkdir(parents=True, exist_ok=True)
    # Unpacked beside and renamed: an interrupted fetch leaves nothing that looks whole.
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=CACHE) as folder:
        work = pathlib.Path(folder)
        work.chmod(0o755)  # apt downloads as another user when root runs it
        for source in sources():
            packages = download(word, *source, work / source[2])
            if packages:
                break
        else:
            raise Unusable(f"this distribution has no MicroPython 1.25 or newer for {word}")
        tree = work / word
        for package in packages:
            run(["dpkg-deb", "-x", str(package), str(tree)])
        command = command_in(tree)
        if command is None:
            raise Unusable(f"the packages of {source[1]} {source[2]} are not laid out as expected")
        wrapper = work / "wrapper"
        wrapper.write_text(wrapper_script(command, tree))
        wrapper.chmod(0o755)
        wrapper.replace(CACHE / f"micropython-{word}")
        try:
            tree.rename(CACHE / word)
        except OSError:
            if cached(word) is None:  # else another fetch was faster
                raise


def wrapper_script(command: list[str], tree: pathlib.Path) -> str:
    """Return a shell script that runs `command` of `tree`, which it finds beside itself wherever both are moved."""
    loader, option, libraries, binary = (part.replace(str(tree), "$tree") for part in command)
    return f"""#!/bin/sh
# Runs the MicroPython that tools/interpreters.py fetched, by its own dynamic loader.
tree=$(dirname "$(readlink -f "$0")")/{tree.name}
exec "{loader}" {option} "{libraries}" "{binary}" "$@"
"""


def sources() -> list[tuple[str, str, str]]:
    """Return (distribution, mirror, release) to try in turn: the mirrors that the system's own apt uses.

    `update --print-uris` also knows them where apt has no lists yet, as in a fresh container.
    """
    release_file = platform_release()
    codename = release_file.get("UBUNTU_CODENAME") or release_file.get("VERSION_CODENAME", "")
    distribution = "ubuntu" if "UBUNTU_CODENAME" in release_file else release_file.get("ID", "")
    if distribution not in COMPONENTS or not codename:
        raise Unusable("this system is neither Debian nor Ubuntu")
    uris = run(["apt-get", "update", "--print-uris"])
    mirrors = mirrors_in(uris, distribution, codename)
    if not mirrors:
        raise Unusable(f"apt has no source for {distribution} {codename}")
    releases = [codename, SUCCESSORS[codename]] if codename in SUCCESSORS else [codename]
    return [(distribution, mirror, release) for release in releases for mirror in mirrors]


def mirrors_in(uris: str, distribution: str, codename: str) -> list[str]:
    """Return the mirrors of the distribution itself among what `apt-get update --print-uris` printed.

    Others' repositories may use its release names too: a mirror whose path ends in the distribution's name is sure.
    """
    found = re.findall(r"^'([^']+?)/?/dists/([^'/]+)/InRelease'", uris, re.MULTILINE)
    sure = [site for site, _ in found if site.endswith("/" + distribution)]
    likely = [site for site, release in found if release == codename]
    return list(dict.fromkeys(sure or likely))


def platform_release() -> dict[str, str]:
    """Return the fields of /etc/os-release."""
    text = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    return {name: value.strip("\"'") for name, _, value in (line.partition("=") for line in text.splitlines())}


def download(word: str, distribution: str, mirror: str, release: str, root: pathlib.Path) -> list[pathlib.Path]:
    """Download the package and its libraries below `root`; return the files, none when the release lacks it.

    An apt of its own for one architecture: the packages of two cannot be installed together.
    """
    print(f"Fetching MicroPython for {word} from {mirror} ({release}), once.", file=sys.stderr, flush=True)
    apt = private_apt(word, distribution, mirror, release, root)
    try:
        run([*apt, "install", "--yes", "--download-only", "micropython"])
    except Unusable as error:
        if "Unable to locate package" in str(error) or "no installation candidate" in str(error):
            return []
        raise
    packages = sorted((root / "cache" / "archives").glob("*.deb"))
    versions = re.findall(r"^micropython_(\d+)\.(\d+)", "\n".join(package.name for package in packages), re.MULTILINE)
    return packages if [version for version in versions if tuple(map(int, version)) >= OLDEST] else []


def private_apt(
    word: str, distribution: str, mirror: str, release: str, root: pathlib.Path, kinds: tuple[str, ...] = ("deb",)
) -> list[str]:
    """Return the argv of an apt-get that knows this one release, for one architecture, its lists fetched below `root`.

    It checks signatures with the distribution's keys and touches nothing of the system's. `kinds`: "deb" for packages,
    "deb-src" for sources, which not every mirror has.
    """
    for folder in ("state", "cache", "log"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    keyring = pathlib.Path(f"/usr/share/keyrings/{distribution}-archive-keyring.gpg")
    option = f"[signed-by={keyring}] " if keyring.exists() else ""
    place = f"{option}{mirror} {release} {COMPONENTS[distribution]}\n"
    (root / "sources.list").write_text("".join(f"{kind} {place}" for kind in kinds))
    (root / "apt.conf").write_text(APT_CONFIG.format(root=root, architecture=word))
    (root / "status").touch()
    apt = ["apt-get", "-q", "-c", str(root / "apt.conf")]
    run([*apt, "update"])
    return apt


def run(command: list[str], cwd: pathlib.Path | None = None) -> str:
    """Run a command of the system in English; return what it printed. Raises Unusable with its first error."""
    done = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    )
    if done.returncode:
        errors = re.findall(r"^E: (.*)", done.stderr, re.MULTILINE) or done.stderr.splitlines() or ["no reason given"]
        raise Unusable(f"{command[0]} {command[-1]}: {errors[0]}")
    return done.stdout


def main(argv: list[str]) -> int:
    """Show where each interpreter is, fetching what is missing; 1 when one is missing for good."""
    argparse.ArgumentParser(
        prog="python3 -m tools interpreters",
        description="Show which MicroPython the tests run on, one for each word size, and fetch what is missing.",
        epilog="$MICROPYTHON and $MICROPYTHON_I386 name the ones to use. Fetched ones are kept in .cache/micropython.",
    ).parse_args(argv)
    status = 0
    for word, (name, _, _) in WORDS.items():
        try:
            command = require(word)
        except SystemExit as missing:
            print(missing, file=sys.stderr)
            status = 1
        else:
            wrapper = CACHE / f"micropython-{word}"
            print(f"{name}: {wrapper if len(command) > 1 else command[0]}", flush=True)
    return status
