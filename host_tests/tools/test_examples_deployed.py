"""Three of tools/examples from `tools new --from` to a board: an emulated one, as `test_project_deploy` has it."""

from __future__ import annotations

import json

import httpx
import pytest

from host_tests.tools.test_project_deploy import (  # noqa: F401 - fixtures of the tests here
    compiled_once,
    names_as_they_are,
    old_flash,
    quick,
    start,
    tree,
)
from tools import deploy, new

ASKED = {"sensor": ("api/sensor", "percent"), "rest": ("notes", "notes"), "gallery": ("api/pictures", "pictures")}


@pytest.mark.timeout(300)
def test_examples_answer_from_a_board(start, tree, tmp_path):  # noqa: F811
    with start() as board:
        for name, (path, member) in ASKED.items():
            new.make(tmp_path / name, name)
            deploy.deploy(board.name, tree, project=tmp_path / name)
            assert member in json.loads(board.wait(path)), name
            assert json.loads(board.wait("api/project"))["error"] is None
        # The last one is still there: a picture goes to the board and comes back.
        picture = {"file": ("Dot.gif", b"GIF89a", "image/gif")}
        with httpx.Client(base_url=board.url, timeout=30) as client:
            assert client.post("api/pictures", files=picture).status_code == 303
            assert client.get("pictures/dot.gif").content == b"GIF89a"
            assert client.delete("api/pictures/dot.gif").status_code == 204
            assert client.get("pictures/dot.gif").status_code == 404
