"""A project beside the shipped site: whose routes and pages win, what stays below /board/, and what breaks nothing."""

from __future__ import annotations

import re
import shutil

import httpx
import pytest

from tools import new

APP = """
from firmware import App
import soil

app = App()


@app.get("/api/soil")
def read(request):
    return {"wet_percent": soil.read()}


@app.get("/api/status")
def status(request):
    return {"mine": True}


@app.get("/healthz")
def health(request):
    return "mine"


@app.put("/api/target")
def target(request):
    return request.json
"""

ALL = pytest.mark.interpreters("cpython", "amd64", "i386")
FROZEN_TOO = pytest.mark.interpreters("cpython", "amd64", "i386", "frozen")


@pytest.fixture
def greenhouse(tmp_path):
    folder = tmp_path / "greenhouse"
    new.make(folder)
    (folder / "app.py").write_text(APP)
    (folder / "lib" / "soil.py").write_text("def read():\n    return 42\n")
    return folder


@FROZEN_TOO
def test_routes_and_pages_of_the_project_win_and_the_site_is_below_board(start_project, greenhouse):
    _, client = start_project(greenhouse)
    assert client.get("/api/soil").json() == {"wet_percent": 42}
    assert client.get("/api/status").json() == {"mine": True}
    assert client.get("/healthz").text == "mine"
    assert "<h1>greenhouse</h1>" in client.get("/").text
    assert client.get("/page.js").status_code == 200
    # The site's own pages have made room; its endpoints go on.
    assert client.get("/app.js").status_code == 404
    assert client.get("/api/led").json() == {"on": False}
    assert client.get("/board").headers["location"] == "/board/"
    assert 'src="app.js"' in client.get("/board/").text
    assert client.get("/board/app.js").status_code == 200
    assert client.get("/board/healthz").json() == {"status": "ok"}
    status = client.get("/board/api/status").json()
    assert status["project"] == {"error": None, "has_page": True}
    for path in ("settings", "log", "session", "files", "readings", "pins"):
        assert client.get(f"/board/api/{path}").status_code in (200, 204), path
    assert client.get("/board/api/soil").status_code == 404
    assert client.get("/board/board/api/status").status_code == 404
    assert client.get("/board/../api/status").json() == {"mine": True}


@ALL
def test_without_a_page_of_its_own_the_sites_are_at_the_root(start_project, greenhouse):
    (greenhouse / "www" / "index.html").rename(greenhouse / "www" / "other.html")
    _, client = start_project(greenhouse)
    assert 'src="app.js"' in client.get("/").text
    assert client.get("/app.js").status_code == 200
    assert "<h1>greenhouse</h1>" in client.get("/other.html").text
    assert client.get("/board/api/status").json()["project"] == {"error": None, "has_page": False}


def test_folder_that_is_none_is_told(server_interpreter, greenhouse):
    done = server_interpreter.run("main.py", "--project", greenhouse / "nowhere", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"limpet: there is no project in {greenhouse}/nowhere: ")


def test_www_that_is_no_folder_has_no_pages(start_project, greenhouse):
    shutil.rmtree(greenhouse / "www")
    (greenhouse / "www").write_text("a file")
    _, client = start_project(greenhouse)
    assert 'src="app.js"' in client.get("/").text
    assert client.get("/api/soil").json() == {"wet_percent": 42}


def test_its_page_for_what_is_not_there_is_everywhere(start_project, greenhouse):
    page = '\n\n@app.error(404)\ndef missing(request, error):\n    return "No such plant."\n'
    (greenhouse / "app.py").write_text(APP + page)
    _, client = start_project(greenhouse)
    answer = client.get("/nowhere")
    assert (answer.status_code, answer.text) == (404, "No such plant.")


def test_route_at_the_root_is_a_page(start_project, greenhouse):
    (greenhouse / "www" / "index.html").unlink()
    (greenhouse / "app.py").write_text(APP + '\n\n@app.get("/")\ndef page(request):\n    return "<h1>Made</h1>"\n')
    _, client = start_project(greenhouse)
    assert client.get("/").text == "<h1>Made</h1>"
    assert client.get("/app.js").status_code == 404
    assert client.get("/board/app.js").status_code == 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("app = 1\nwater(3)\n", r"app\.py, line 2: NameError: name '?water'? "),
        ("x = (\n", r"app\.py, line [12]: SyntaxError: "),
        ("import leaf\n", r"lib/leaf\.py, line 2: ZeroDivisionError: "),
        ("import nowhere\n", r"app\.py, line 1: (ImportError|ModuleNotFoundError): no module named 'nowhere'"),
        ("import sys\nsys.exit(3)\n", r"app\.py, line 2: SystemExit: 3"),
        ("raise ValueError('<b>one\\ntwo')\n", r"app\.py, line 1: ValueError: <b>one$"),
        ("import firmware\nfirmware.App().run()\n", r"app\.py, line 2: TypeError: a project's app\.py has no app\.run"),
        ("from firmware import App\napp = App()\napp.limits.bodies = 1\n", r"ValueError: no such limit: bodies"),
        ("application = 1\n", r"TypeError: app.py makes no application: it needs `app = App\(\)`"),
    ],
)
@ALL
def test_broken_app_is_told_on_the_page_and_in_the_log(start_project, greenhouse, text, reason):
    (greenhouse / "lib" / "leaf.py").write_text("\n1 / 0\n")
    (greenhouse / "app.py").write_text(text)
    server, client = start_project(greenhouse)
    answer = client.get("/")
    assert answer.status_code == 500
    shown = re.search(r"<pre>(.*?)</pre>", answer.text, re.DOTALL)[1]
    error = client.get("/board/api/status").json()["project"]["error"]
    assert re.search(f"^{reason}", error, re.IGNORECASE) and "\n" not in error
    assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'") == error
    assert str(greenhouse) not in answer.text and "Traceback" not in answer.text
    assert error in client.get("/api/log").text.encode().decode("unicode_escape")
    assert f"limpet: the project is left out: {error}" in server.output()
    # All else goes on.
    assert client.get("/board/").status_code == 200
    assert client.get("/api/soil").status_code == 404
    assert client.get("/page.js").status_code == 200


def test_mistake_of_the_language_is_said_once(start_project, greenhouse):
    (greenhouse / "app.py").write_text("def water(:\n    pass\n")
    server, _ = start_project(greenhouse)
    assert server.output().count("SyntaxError") == server.output().count("line 1") == 1
    assert "Traceback" not in server.output()


@ALL
def test_traceback_begins_with_the_project(start_project, greenhouse):
    (greenhouse / "app.py").write_text("import soil\n\nsoil.read()\n")
    (greenhouse / "lib" / "soil.py").write_text("def read():\n    return 1 / 0\n")
    server, _ = start_project(greenhouse)
    lines = server.output().split("\n")
    at = lines.index("Traceback (most recent call last):")
    assert f'File "{greenhouse}/app.py", line 3' in lines[at + 1]
    assert "loader.py" not in server.output()


@ALL
def test_without_a_project_its_prefix_leads_home(start_server):
    server = start_server()
    for path in ("board", "board/"):
        answer = httpx.get(server.url + path, follow_redirects=True)
        assert (answer.status_code, answer.url) == (200, server.url) and 'src="app.js"' in answer.text
    assert httpx.get(server.url + "board/api/status").status_code == 404


@ALL
def test_broken_app_without_a_page_leaves_the_sites_at_the_root(start_project, greenhouse):
    (greenhouse / "www" / "index.html").unlink()
    (greenhouse / "app.py").write_text("1 / 0\n")
    _, client = start_project(greenhouse)
    assert 'src="app.js"' in client.get("/").text
    assert client.get("/api/status").json()["project"]["error"].startswith("app.py, line 1: ZeroDivisionError")


@ALL
def test_what_is_private_is_so_below_board_too(start_project, greenhouse):
    _, client = start_project(greenhouse)
    assert client.put("/board/api/password", json={"new": "correct horse"}).status_code in (200, 204)
    client.cookies.clear()
    for path in ("/api/settings", "/api/log", "/api/tokens", "/api/update", "/users", "/api/files"):
        for url in (path, f"/board{path}", f"/%62oard{path}", f"/board{path.replace('a', '%61', 1)}"):
            assert client.get(url, headers={"Accept": "application/json"}).status_code == 401, url
    assert client.put("/api/target", json={"target_c": 20}).status_code == 401
    assert client.put("/board/api/led", json={"on": True}).status_code == 401
    assert client.get("/board/api/session").json()["password_set"] is True
    login = client.post("/board/api/login", json={"password": "correct horse"})
    assert login.status_code == 200
    assert client.get("/board/api/settings").status_code == 200
    assert client.put("/api/target", json={"target_c": 20}).json() == {"target_c": 20}
    assert client.post("/board/api/logout").status_code == 204


@ALL
def test_safe_mode_leaves_the_project_out_and_keeps_the_rest(start_project, greenhouse):
    (greenhouse / "app.py").write_text("raise SystemExit\n")
    _, client = start_project(greenhouse, script="host_tests/apps/safe.py")
    assert "<h1>Safe mode</h1>" in client.get("/").text
    assert client.get("/api/status").json()["boot"]["safe_mode"] is True
    for path in ("/api/settings", "/api/log", "/api/files"):
        assert client.get(path).status_code in (200, 204), path
    assert client.get("/page.js").status_code == 404
    assert client.get("/board/", follow_redirects=True).url.path == "/"


SMALL = """

@app.get("/api/small")
def small(request):
    from firmware.server import loader

    return {"is_small": loader.one_at_a_time}
"""


@pytest.mark.interpreters("amd64", "i386")
def test_small_board_has_both_one_part_at_a_time(start_project, greenhouse):
    """With little memory parts of the site come and go; what is the project's stays."""
    (greenhouse / "app.py").write_text(APP + SMALL)
    _, client = start_project(greenhouse, script="host_tests/apps/small.py")
    assert client.get("/api/small").json() == {"is_small": True}
    for _ in range(2):
        assert "<h1>greenhouse</h1>" in client.get("/").text
        assert client.get("/board/app.js").status_code == 200
        assert client.get("/board/api/status").json()["left_out"]
        assert client.get("/api/soil").json() == {"wet_percent": 42}
        assert client.get("/api/project").json()["has_page"] is True
        assert client.get("/nothing").status_code == 404
        assert client.get("/openapi.json").status_code == 200


@pytest.mark.interpreters("amd64", "i386")
def test_small_board_without_a_page_has_the_sites(start_project, greenhouse):
    (greenhouse / "www" / "index.html").rename(greenhouse / "www" / "other.html")
    _, client = start_project(greenhouse, script="host_tests/apps/small.py")
    for _ in range(2):
        assert 'src="app.js"' in client.get("/").text
        assert "<h1>greenhouse</h1>" in client.get("/other.html").text
        assert client.get("/board/app.js").status_code == 200


@pytest.mark.interpreters("i386")
def test_project_that_does_not_fit_costs_nobody_else_anything(start_project, greenhouse):
    (greenhouse / "app.py").write_text(APP + "\nheld = [bytearray(5000) for _ in range(100)]\n")
    server, client = start_project(greenhouse, heapsize="330k")
    error = client.get("/board/api/status").json()["project"]["error"]
    assert error.startswith("app.py, line 27: MemoryError")
    assert client.get("/board/api/settings").status_code == 200
    assert server.process.poll() is None


def test_examples_are_projects(start_project, tmp_path):
    assert len(new.examples()) >= 3
    for name in new.examples():
        new.make(tmp_path / name, name)
        _, client = start_project(tmp_path / name)
        assert client.get("/board/api/status").json()["project"]["error"] is None, name
