"""Where requests go: the shared vectors, and paths that hypothesis thinks of."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firmware.http.errors import HTTPError
from firmware.http.escapes import quote
from firmware.http.urls import decode_path
from firmware.server.router import Router, allow, choose
from host_tests.vectors import router as vectors
from host_tests.vectors.router import look_up

# Segments that are literals for a pattern, and those that only a path has.
plain = st.text(st.characters(exclude_characters="/<>", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=5)
kinds = st.sampled_from(["<int:{}>", "<{}>", "{}"])
names = st.sampled_from(["a", "b", "c"])
patterns = st.lists(st.one_of(plain, st.builds(str.format, kinds, names)), min_size=1, max_size=3).map(
    lambda segments: "/" + "/".join(segments)
)
targets = st.lists(
    st.one_of(plain.map(quote), st.sampled_from(["a", "5", "%2F", "%", "%zz", "", "..", "%00"])), max_size=4
).map(lambda segments: ("/" + "/".join(segments)).encode())


def router_of(added):
    router = Router()
    for pattern in added:
        if all(pattern.count(f"{name}>") < 2 for name in "abc"):
            try:
                router.add(pattern, ("GET",), pattern)
            except ValueError as error:
                assert str(error).startswith("twice: GET /")
    return router


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("router")


@given(st.lists(patterns, max_size=5), targets)
def test_what_is_found_fits_the_path(added, target):
    router = router_of(added)
    found = look_up(router, target)
    if found is None:
        return
    _, route, params = found
    path = decode_path(target)
    (pattern,) = route.values()
    # Another pattern of the same shape has the handler wrapped, to get the names it knows.
    assume(not callable(pattern))
    for name, value in (params or {}).items():
        assert type(value) in (int, str)
        for form in ("<{}>", "<int:{}>"):
            pattern = pattern.replace(form.format(name), str(value) if type(value) is str else f"<{value}>")
    got = pattern.split("/")
    wanted = path.split("/")
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted):
        assert one == other or one == f"<{int(other)}>"


@given(st.lists(plain, min_size=1, max_size=5))
def test_literal_is_found_however_it_is_escaped(segments):
    path = "/" + "/".join(segments)
    router = router_of([path, "/<path:rest>"])
    for target in (quote(path), "".join(f"%{byte:02x}" for byte in path.encode())):
        assert look_up(router, target.encode())[1] == {"GET": path}


@given(st.lists(patterns, max_size=3), st.binary(max_size=30))
def test_no_path_raises_anything(added, target):
    look_up(router_of(added), target)


@given(
    st.sets(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])), st.text(max_size=8)
)
def test_method_is_chosen_or_refused(methods, method):
    route = {name: name for name in methods}
    try:
        choose(route, method)
    except HTTPError as error:
        assert error.status in (405, 501)
        assert method not in allow(route).split(", ")
    else:
        assert method in allow(route).split(", ")


def test_route_added_later_is_found():
    router = Router()
    assert look_up(router, b"/a") is None
    router.add("/a", ("GET",), "first")
    assert look_up(router, b"/a")[1] == {"GET": "first"}
    router.add("/a", ("POST",), "second")
    assert look_up(router, b"/a")[1] == {"GET": "first", "POST": "second"}


def test_route_added_behind_a_search_is_found():
    router = Router()
    router.add("/<x>", ("GET",), "first")
    child = Router()
    router.mount("/m", child)
    assert look_up(router, b"/a")[1] == {"GET": "first"}
    assert look_up(router, b"/m/a") is None
    router.add("/a", ("GET",), "second")
    child.add("/<x>", ("GET",), "third")
    assert look_up(router, b"/a")[1] == {"GET": "second"}
    assert look_up(router, b"/%61")[1] == {"GET": "second"}
    assert look_up(router, b"/m/a")[1] == {"GET": "third"}


def test_many_paths_leave_little_behind(micropython):
    script = """
import gc
from firmware.server.router import Router
router = Router()
router.add("/<path:x>", ("GET",), "handler")
gc.collect()
before = gc.mem_alloc()
for number in range(100):
    router.match(b"/%d" % number + b"x" * 1000)
gc.collect()
print(gc.mem_alloc() - before)
"""
    # A dozen short paths may be remembered, no kilobytes of whatever clients think of.
    assert int(micropython.run("-c", script).stdout) < 4000


def test_patterns_of_one_place_share_their_methods():
    router = Router()
    router.add("/<a>", ("GET",), "get")
    router.add("/<a>", ("PUT",), "put")
    assert look_up(router, b"/x")[1] == {"GET": "get", "PUT": "put"}


def test_patterns_that_differ_in_a_name_only_share_their_path():
    # The second is reached with its own methods, and with its own names.
    router = Router()
    router.add("/<a>", ("GET",), "get")
    router.add("/<b>", ("PUT",), "put")
    assert "PUT" in allow(look_up(router, b"/x")[1]), "PUT /x is a 405, although there is a route for it"


def test_literal_path_of_what_is_mounted_is_searched_for_once():
    outer, inner = Router(), Router()
    inner.add("/a", ["GET"], print)
    outer.mount("/in", inner)
    searched = []
    search = inner.search
    inner.search = lambda path: searched.append(path) or search(path)
    for _ in range(3):
        assert outer.match(b"/in/a")[:2] == (inner, {"GET": print})
    assert searched == ["/a"]
