"""multipart/form-data and file names."""

import email
import email.policy

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firmware.features.uploads import safe_filename
from firmware.http import forms
from firmware.http.errors import HTTPError
from host_tests.vectors import forms as vectors

# Boundaries that repeat themselves and that contents run into.
BOUNDARIES = st.sampled_from([b"B", b"-", b"--", b"aaa", b"abab", b"--a--a", b"----WebKitFormBoundary7MA4YWxkTrZu0gW"])
BOUNDARIES |= st.text("ab-", min_size=1, max_size=70).map(str.encode)
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="%\\"), max_size=20)
HEAD = 'Content-Disposition: form-data; name="%s"'


def contents(boundary):
    """Return a strategy of contents rich in all that a delimiter is made of."""
    pieces = [b"\r\n--" + boundary[:size] for size in range(len(boundary))]
    pieces += [b"\r", b"\n", b"\r\n", b"--", b"\r\n\r\n", b"x", boundary, boundary + b"--", b"\0", b"\xff"]
    return st.lists(st.sampled_from(pieces) | st.binary(max_size=100), max_size=12).map(b"".join)


@st.composite
def built_forms(draw):
    """Return (boundary, body, parts as `vectors.parse` returns them)."""
    boundary = draw(BOUNDARIES)
    body = draw(st.sampled_from([b"", b"\r\n", b"preamble\r\n", b"\r\n--\r\n"]))
    parts = []
    for _ in range(draw(st.integers(0, 4))):
        name = draw(NAMES)
        filename = draw(st.none() | NAMES)
        kind = draw(st.sampled_from(["text/plain", "image/png", "text/plain; charset=utf-8"]))
        data = draw(contents(boundary))
        assume(b"\r\n--" + boundary not in b"\r\n" + data)
        head = HEAD % name.replace('"', draw(st.sampled_from(["%22", '\\"'])))
        if filename is not None:
            head += '; filename="' + filename.replace('"', "%22") + '"'
        lines = [head, "Content-Type: " + kind]
        if draw(st.booleans()):
            lines.reverse()
        padding = draw(st.sampled_from([b"", b"", b" \t"]))
        body += b"--" + boundary + padding + b"\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + data + b"\r\n"
        parts.append((name, filename, kind, data))
    body += b"--" + boundary + b"--" + draw(st.sampled_from([b"", b"\r\n", b"\r\nepilogue\r\n--" + boundary + b"\r\n"]))
    return boundary, body, parts


def cut(data, body):
    """Return the body in chunks cut where hypothesis likes."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=10)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)])]


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("forms")


@given(built_forms(), st.data())
def test_parts_come_back_byte_exact_however_cut(form, data):
    boundary, body, parts = form
    assert vectors.parse(boundary, cut(data, body)) == parts
    assert vectors.parse(boundary, [body[i : i + 1] for i in range(len(body))]) == parts


@given(built_forms(), st.data())
def test_damaged_form_is_refused_or_parsed_the_same_however_cut(form, data):
    boundary, body, _ = form
    at = data.draw(st.integers(0, len(body)))
    damaged = body[:at] + data.draw(st.binary(max_size=4)) + body[at + data.draw(st.integers(0, 4)) :]
    whole = vectors.parse(boundary, [damaged])
    assert type(whole) is list or whole in (400, 413, 415)
    assert vectors.parse(boundary, cut(data, damaged)) == whole


@given(st.binary(max_size=300) | contents(b"B"), st.data())
def test_random_bytes_raise_nothing_but_http_errors(body, data):
    for start in (b"", b"--B\r\n", b'--B\r\nContent-Disposition: form-data; name="'):
        whole = vectors.parse(b"B", [start + body])
        assert type(whole) is list or whole in (400, 413, 415)
        assert vectors.parse(b"B", cut(data, start + body)) == whole


@given(st.lists(st.sampled_from(b"\" \\ ; = * ' % name filename utf-8 a \xff".split(b" ")) | st.just(b" ")))
def test_random_dispositions_raise_nothing_but_http_errors(pieces):
    got = vectors.parse(b"B", [vectors.HEAD % (b"form-data; name=a; " + b"".join(pieces))])
    assert got == 400 or (len(got) == 1 and got[0][3] == b"x")


def known_to_email(case):
    """Tell whether the standard library reads this form as the RFCs do: to it any CR or LF ends a line."""
    name, (boundary, _), parts = case
    lines = [data.replace(b"\r", b"\n") for _, _, _, data in parts] if type(parts) is list else []
    return bool(lines) and "no_content" not in name and not any(b"\n--" + boundary[:1] in data for data in lines)


@pytest.mark.parametrize("case", [*filter(known_to_email, vectors.FORMS)], ids=lambda case: case[0])
def test_contents_are_those_the_standard_library_finds(case):
    _, (boundary, body), parts = case
    head = b'Content-Type: multipart/form-data; boundary="%s"\r\n\r\n' % boundary
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    assert [part.get_payload(decode=True) for part in message.iter_parts()] == [data for _, _, _, data in parts]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_content_of_a_chunk_is_one_view_of_it(kind):
    form = forms.Multipart(b"B")
    list(form.feed(vectors.A))
    chunk = kind(b"\r\n--no\r-\n" * 100)
    [(event, view)] = form.feed(chunk)
    assert event == forms.DATA and type(view) is memoryview and view == chunk
    assert view.obj is (chunk.obj if kind is memoryview else chunk)


@pytest.mark.parametrize("boundary", [b"B", b"-----", b"x" * 70, b"abababab"])
@pytest.mark.parametrize("unit", [b"\r\n--", b"\r", b"\r\r\n", b"\r\n--%s", b"%s", b"-", b"a", b"\r\n\r\n--\r\n--"])
def test_work_is_linear_in_the_content(boundary, unit):
    """Partial delimiters cost no second look: at most three reads a byte, counted."""

    class Counted(bytes):
        reads = 0

        def __getitem__(self, index):
            self.reads += 1
            return bytes.__getitem__(self, index)

    unit = unit.replace(b"%s", boundary[:-1]) or b"y"
    form = forms.Multipart(boundary)
    list(form.feed(vectors.A.replace(b"B", boundary) + b"x"))
    content = Counted(unit * (20000 // len(unit)))
    assert forms._search(content, 0, len(content), form._search) == len(content)
    assert content.reads <= 3 * len(content)


def test_nothing_of_the_content_is_kept():
    form = forms.Multipart(b"B")
    list(form.feed(vectors.A))
    before = {name: len(value) for name, value in vars(form).items() if isinstance(value, (bytes, bytearray))}
    for _ in range(1000):
        list(form.feed(b"x" * 1000 + b"\r\n--"))
    after = {name: len(value) for name, value in vars(form).items() if isinstance(value, (bytes, bytearray))}
    assert after == before and sum(after.values()) < 400


@pytest.mark.parametrize("limits", [(3, 1024), (32, 60)])
def test_limits_are_arguments(limits):
    with pytest.raises(HTTPError) as caught:
        list(forms.Multipart(b"B", *limits).feed((vectors.A + b"1\r\n") * 3 + vectors.head_of(70)))
    assert caught.value.status == 413


def test_part_begins_before_its_content_is_there():
    form = forms.Multipart(b"B")
    [(event, part)] = form.feed(vectors.A)
    assert (event, part.name, part.filename, part.content_type) == (forms.PART, "a", None, "text/plain")
    assert list(form.feed(b"\r\n--")) == []
    assert [(event, bytes(value)) for event, value in form.feed(b"A")] == [
        (forms.DATA, b"\r\n--"),
        (forms.DATA, b"A"),
    ]


@given(st.text())
def test_safe_filename_can_be_stored(name):
    safe = safe_filename(name)
    assert 0 < len(safe.encode()) <= 64
    assert not set(safe) & {*'<>:"/\\|?*\x7f', *map(chr, range(32))}
    assert safe[0] not in ". " and safe[-1] not in ". "
    assert safe_filename(safe) == safe
    assert safe_filename("../a\\" + name) == safe


@given(st.text("ab\u20ac\U0001f40c. ", max_size=90), st.sampled_from([".txt", ".geojson", ".\u20ac"]))
def test_safe_filename_keeps_the_extension(stem, extension):
    assert safe_filename("x" + stem + extension).endswith(extension)


@given(st.text())
def test_random_content_types_raise_nothing_but_http_errors(text):
    for start in ("", "multipart/form-data;", "multipart/form-data; boundary="):
        try:
            boundary = forms.boundary_of(start + text)
            assert 1 <= len(boundary) <= 70
        except HTTPError as error:
            assert error.status in (400, 415)
