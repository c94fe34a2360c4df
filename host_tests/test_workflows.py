"""The workflows in .github: they parse, run what is there, and make an image for every chip that has a board."""

from __future__ import annotations

import re

import pytest
import yaml

from tools import ROOT, __main__, freeze, image, images

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(name):
    """Return all steps of the workflow in a file of this name."""
    parsed = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return [step for job in parsed["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_workflow_parses_and_says_who_may_what_and_for_how_long(file):
    parsed = yaml.safe_load(file.read_text())
    assert parsed["name"] == file.stem
    # YAML 1.1 takes `on` for true.
    assert parsed[True] and parsed["permissions"]["contents"] in ("read", "write")
    for job in parsed["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 90
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            assert re.fullmatch(r"[a-z-]+/[a-z-]+@v\d+", step.get("uses", "actions/checkout@v4")), step


def test_checks_are_those_of_ci():
    runs = [step["run"] for step in steps("checks.yml") if "run" in step]
    assert runs[-1] == ".ci/run" and (ROOT / ".ci" / "run").is_file()


def test_images_are_made_for_every_board_and_attached_to_a_release():
    parsed = yaml.safe_load((ROOT / ".github" / "workflows" / "images.yml").read_text())
    (job,) = parsed["jobs"].values()
    chips = job["strategy"]["matrix"]["chip"]
    assert sorted(f"LIMPET_{chip.replace('-', '_')}" for chip in chips) == sorted(
        path.name for path in freeze.BOARDS.glob("LIMPET_*")
    )
    assert [image.named(chip) for chip in chips] == chips == image.chips()
    assert parsed[True]["release"] == {"types": ["published"]}
    runs = [step["run"] for step in steps("images.yml") if "run" in step]
    assert "python -m tools image ${{ matrix.chip }}" in runs and "image" in __main__.COMMANDS
    ours = images.OURS.relative_to(ROOT).as_posix()
    (upload,) = (run for run in runs if run.startswith("gh release upload"))
    assert upload.split()[3:] == ['"$TAG"', f"{ours}/LIMPET_*.bin", f"{ours}/LIMPET_*.json"]
