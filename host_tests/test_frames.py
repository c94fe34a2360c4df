"""Functions on the way of every request keep their frames off the heap.

MicroPython puts a function's frame on the C stack where its names, its stack slots and three words for each `try` are
no more than 11 words (py/vm.h, py/objfun.c). A larger one is allocated and freed at each call, and behind that the
allocator begins its next searches from there, through all garbage: thousands of instructions a call.
"""

import re
import subprocess

import pytest

from host_tests.conftest import interpreter_named
from tools import ROOT

MOST = 11
# sizeof(mp_exc_stack_t) in words.
TRY = 3

# Each file's functions that requests go through; generators are no part of it: their frames are on the heap anyway, and
# are not freed before they are garbage.
HOT = {
    "features/log.py": "keep",
    "features/logline.py": "describe _target _begin note _write",
    "features/hosts.py": "guard",
    "features/origins.py": "guard",
    "features/ratelimit.py": "check take tell wait_s",
    "features/requestid.py": "_begin id_of is_valid",
    "http/request.py": "get __init__ field lines end",
    "http/response.py": "__init__ encode_json parts _body_lines to_response status_line fixed_lines",
    "http/urls.py": "decode_path decode_text _has_control",
    "server/connection.py": "frame begin ask ask_hooks",
    "server/listener.py": "ready _fail _admit admit place _place _free_slot",
    "server/refusal.py": "drop say_busy _has_answer _write hold sweep _close _end _read_away",
    "server/respond.py": "respond run_hooks send put_plain put_value put_json put_text put_start make_start write",
    "server/errors.py": "fail plain_page _page _page_start _escaped _is_json _prefers_json",
    "server/receive.py": "read_head find_head measure borrow expect_again read_again",
    "server/slot.py": "seat leave finish watched address unwatch",
    "server/app.py": "hooks",
    "server/router.py": "match choose choose_unrouted",
    "server/static.py": "_serve _try respond open is_same _is_still _takes_gzip",
    "server/transport.py": "watch wait_io_event _serve accept park ready",
    "site/guards.py": "protect _is_private check_host",
}

BLOCK = re.compile(r"code block '([^']+)'.*?\(N_STATE (\d+)\)\n\(N_EXC_STACK (\d+)\)", re.DOTALL)


@pytest.mark.parametrize("name", HOT)
def test_frames_of_every_request_are_small(name):
    interpreter = interpreter_named("amd64")
    argv = interpreter.argv("-v", "-v", "-O2", "-X", "compile-only", ROOT / "firmware" / name)
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=120)
    sizes = {}
    for function, state, tries in BLOCK.findall(done.stdout + done.stderr):
        sizes[function] = max(sizes.get(function, 0), int(state) + TRY * int(tries))
    hot = HOT[name].split()
    assert set(hot) <= set(sizes), "there is no such function any more"
    assert {function: sizes[function] for function in hot if sizes[function] > MOST} == {}
