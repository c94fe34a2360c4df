"""Where requests go: (name, kind, ...).

Kind "find": the routes added, in order, a raw path, and what is found: (route's mark, params) or None. A mark is the
pattern that was added; one that starts with "prefix>" is in a router mounted at that prefix.
Kind "allow": methods of a route, and Allow.
Kind "choose": methods of a route, a method, and the method whose handler is chosen, or an error's status.
Kind "bad": a pattern that is none.
"""

from firmware.http.errors import HTTPError
from firmware.server.router import Router, allow, choose

_A = ["/", "/a", "/a/", "/a/b", "/a/<int:n>", "/a/<x>", "/a/<x>/b", "/f/<path:p>", "/<int:n>/<int:m>", "/ä", "/ä/<x>"]
_MOUNTS = ["/a", "/in>/", "/in>/a", "/in>/<x>", "/in/deep>/a", "/all/>/<path:p>", ">/root", ">/a", "/in>/deep/b"]


def _found(target, mark, routes=None, **params):
    return (
        "find %r in %s" % (target, "mounts" if routes else "routes"),
        "find",
        routes or _A,
        target,
        mark,
        params or None,
    )


def _mounted(target, mark, **params):
    return _found(target, mark, _MOUNTS, **params)


CASES = [
    _found(b"/", "/"),
    _found(b"/a", "/a"),
    _found(b"/a/", "/a/"),
    _found(b"/a/b", "/a/b"),
    _found(b"/%61", "/a"),
    _found(b"/a%2Fb", "/a/b"),
    _found(b"/a/%62", "/a/b"),
    _found(b"/a/5", "/a/<int:n>", n=5),
    _found(b"/a/005", "/a/<int:n>", n=5),
    _found(b"/a/%35", "/a/<int:n>", n=5),
    _found(b"/a/999999999", "/a/<int:n>", n=999999999),
    _found(b"/a/1234567890", "/a/<x>", x="1234567890"),
    _found(b"/a/-5", "/a/<x>", x="-5"),
    _found(b"/a/+5", "/a/<x>", x="+5"),
    _found(b"/a/5_0", "/a/<x>", x="5_0"),
    _found(b"/a/5.0", "/a/<x>", x="5.0"),
    _found(b"/a/%20", "/a/<x>", x=" "),
    _found(b"/a/%D9%A5", "/a/<x>", x="٥"),
    _found(b"/a/%C2%B2", "/a/<x>", x="²"),
    _found(b"/a/c", "/a/<x>", x="c"),
    _found(b"/a/%3Cx%3E", "/a/<x>", x="<x>"),
    _found(b"/a/<x>", "/a/<x>", x="<x>"),
    _found(b"/a/c/b", "/a/<x>/b", x="c"),
    _found(b"/a/5/b", "/a/<x>/b", x="5"),
    _found(b"/a/c/c", None),
    _found(b"/a/c/b/", None),
    _found(b"/a//b", None),
    _found(b"/a/..", "/a/<x>", x=".."),
    _found(b"/f/x", "/f/<path:p>", p="x"),
    _found(b"/f/x/y/z", "/f/<path:p>", p="x/y/z"),
    _found(b"/f//", "/f/<path:p>", p="/"),
    _found(b"/f/x%2Fy", "/f/<path:p>", p="x/y"),
    _found(b"/f/", None),
    _found(b"/f", None),
    _found(b"/1/2", "/<int:n>/<int:m>", n=1, m=2),
    _found(b"/1/x", None),
    _found("/ä".encode(), "/ä"),
    _found(b"/%C3%A4", "/ä"),
    _found(b"/%c3%a4", "/ä"),
    _found(b"/%C3%A4/%C3%A4", "/ä/<x>", x="ä"),
    _found(b"/%E4", None),
    _found(b"//a", None),
    _found(b"/A", None),
    _found(b"a", None),
    _found(b"*", None),
    _found(b"", None),
    # What cannot be decoded is nowhere; who answers says why.
    _found(b"/a/%", None),
    _found(b"/a/%zz", None),
    _found(b"/a/%00", None),
    _found(b"/a/%FF", None),
    _found(b"/a/%C0%AF", None),
    _mounted(b"/a", "/a"),
    _mounted(b"/in", "/in>/"),
    _mounted(b"/in/", "/in>/"),
    _mounted(b"/%69n/a", "/in>/a"),
    _mounted(b"/in/x", "/in>/<x>", x="x"),
    _mounted(b"/in/deep", "/in>/<x>", x="deep"),
    _mounted(b"/in/deep/a", "/in/deep>/a"),
    _mounted(b"/in/deep/b", "/in>/deep/b"),
    _mounted(b"/inner", None),
    _mounted(b"/in/x/y", None),
    _mounted(b"/all/x/y", "/all/>/<path:p>", p="x/y"),
    _mounted(b"/all/", None),
    _mounted(b"/all", None),
    _mounted(b"/root", ">/root"),
    _mounted(b"//root", None),
    _mounted(b"", None),
    _mounted(b"*", None),
    ("two routers, one prefix", "find", ["/p>/a", "/p>/b", "/p>>/c"], b"/p/b", "/p>/b", None),
    ("no routes", "find", [], b"/a", None, None),
    ("no routes, escaped", "find", [], b"/%61", None, None),
    ("first pattern wins", "find", ["/<x>", "/<int:n>"], b"/5", "/<x>", {"x": "5"}),
    ("literal wins", "find", ["/<x>", "/a"], b"/a", "/a", None),
    ("pattern of one letter less", "find", ["/<x>/<y>"], b"/a", None, None),
    ("parts of a name", "find", ["/a<x"[:2], "/<x>"], b"/ab", "/<x>", {"x": "ab"}),
    ("allow", "allow", ["GET"], "GET, HEAD, OPTIONS"),
    ("allow without GET", "allow", ["POST"], "POST, OPTIONS"),
    (
        "allow in order",
        "allow",
        ["DELETE", "PUT", "GET", "PATCH", "POST"],
        "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    ),
    ("allow others", "allow", ["PURGE", "GET", "LINK"], "GET, HEAD, OPTIONS, LINK, PURGE"),
    ("allow nothing", "allow", [], "OPTIONS"),
    ("choose GET", "choose", ["GET", "POST"], "GET", "GET"),
    ("choose POST", "choose", ["GET", "POST"], "POST", "POST"),
    ("choose HEAD", "choose", ["GET"], "HEAD", "GET"),
    ("choose HEAD itself", "choose", ["GET", "HEAD"], "HEAD", "HEAD"),
    ("choose HEAD without GET", "choose", ["POST"], "HEAD", 405),
    ("choose PUT", "choose", ["GET"], "PUT", 405),
    ("choose OPTIONS itself", "choose", ["OPTIONS"], "OPTIONS", "OPTIONS"),
    ("choose an unknown", "choose", ["GET"], "BREW", 501),
    ("choose an unknown that is there", "choose", ["BREW"], "BREW", "BREW"),
    ("choose in lower case", "choose", ["GET"], "get", 501),
    ("bad: empty", "bad", ""),
    ("bad: no slash", "bad", "a"),
    ("bad: no slash in front", "bad", "<x>"),
    ("bad: open", "bad", "/<x"),
    ("bad: part of a segment", "bad", "/a<x>"),
    ("bad: part of a segment, in front", "bad", "/<x>a"),
    ("bad: two in a segment", "bad", "/<x><y>"),
    ("bad: no name", "bad", "/<>"),
    ("bad: no name behind a kind", "bad", "/<int:>"),
    ("bad: kind", "bad", "/<uuid:x>"),
    ("bad: path within", "bad", "/<path:x>/a"),
    ("bad: two paths", "bad", "/<path:x>/<path:y>"),
    ("bad: name twice", "bad", "/<x>/<x>"),
]


def look_up(router, target):
    """Return what a connection finds for a raw path: literals by themselves, then `match`."""
    return router.literals.get(target) or router.match(target)


def check(case):
    """Raise AssertionError unless the case holds."""
    kind = case[1]
    if kind == "find":
        _check_find(*case[2:])
    elif kind == "allow":
        _same(allow(dict.fromkeys(case[2])), case[3], "Allow")
    elif kind == "choose":
        _check_choose(*case[2:])
    else:
        for methods in (("GET",), ("GET", "POST")):
            try:
                Router().add(case[2], methods, check)
            except ValueError:
                continue
            raise AssertionError("taken: %r" % case[2])


def _check_find(routes, target, mark, params):
    root = Router()
    children = {}
    for one in routes:
        at = one.rfind(">/")
        prefix, path = (one[:at], one[at + 1 :]) if at >= 0 and one[0] != ">" else ("", one)
        if one[0] == ">":
            prefix, path = ">", one[1:]
        if at >= 0 and "<" not in one[:at] and (one[0] == ">" or ">" not in path.split("/")[0]):
            router = children.get(prefix)
            if router is None:
                router = children[prefix] = Router()
                root.mount("/" if prefix == ">" else prefix.rstrip(">"), router)
        else:
            router, path = root, one
        router.add(path, ("GET",), one)
    for _ in range(2):
        found = look_up(root, target)
        if mark is None:
            assert found is None, found
            continue
        assert found, "not found"
        _same(found[1], {"GET": mark}, "route")
        _same(found[2], params, "params")


def _check_choose(methods, method, expected):
    route = {name: name for name in methods}
    try:
        got = choose(route, method)
    except HTTPError as error:
        got = error.status
        if got == 405:
            _same(error.headers, {"Allow": allow(route)}, "Allow")
    _same(got, expected, "chosen")


def _same(got, want, how):
    assert got == want, "%s: got %r, not %r" % (how, got, want)
