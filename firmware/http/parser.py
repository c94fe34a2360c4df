"""Request heads: one native pass over the caller's buffer, then lazy views.

`scan` reads a head (RFC 9112 sections 2, 3 and 5), checks every byte once and writes (start, end) positions into the
caller's `marks`. It allocates nothing, copies nothing and never looks at or beyond `end`. `new_marks` makes the array,
`find` looks fields up in it.
An error is a negative status: -400, -414, -431 or -505. What comes after an error cannot be framed: answer, close.
"""

from array import array

from firmware.http.native import const, micropython, ptr8, ptr16, ptr32

# What is left in marks. A module that looks there has copies of these: the compiler folds a constant only where it is
# written, and only a private one costs nothing on a board. A test compares.
# Where things are, all but the last three positions in the buffer.
_MAX_TARGET = const(0)
_MAX_FIELDS = const(1)
_METHOD = const(2)
_METHOD_END = const(3)
_TARGET = const(4)
_PATH_END = const(5)
_TARGET_END = const(6)
_METHOD_CODE = const(7)  # the method's place in METHODS
_FLAGS = const(8)
_COUNT = const(9)
_FIELDS = const(10)  # from here on four a field: hash, name, value, value end

# Bits of FLAGS: all that framing depends on.
_MINOR_1 = const(1)  # HTTP/1.1 or a later 1.x
_ESCAPED = const(2)  # the path has a percent sign
_NOT_ORIGIN = const(4)  # the target does not start with a slash
_HOST = const(8)
_CONTENT_LENGTH = const(16)
_TRANSFER_ENCODING = const(32)
_EXPECT = const(64)
_CLOSE = const(128)  # Connection has this option
_KEEP_ALIVE = const(256)
_UPGRADE = const(512)
_HEAD = const(1024)  # the method has this name
_CONDITIONAL = const(2048)  # there may be an If-... or Range field; more is not known

# Kinds of bytes.
_TOKEN = const(1)  # RFC 9110 5.6.2
_VISIBLE = const(2)  # visible ASCII but "#": browsers send more than RFC 3986 allows, never a fragment
_VALUE = const(4)  # RFC 9110 5.5: visible, space, tab, obs-text
_AUTHORITY = const(8)  # a registered name, RFC 3986 3.2.2

# In the order of METHOD_CODE; 0 is any other method.
METHODS = ("", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_METHODS = b"GET HEAD POST PUT PATCH DELETE OPTIONS \0"

# `hash_name` of the names in _NAMES, and of the options of Connection; a test compares.
_HASH_HOST = const(0xF5A8)
_HASH_CONNECTION = const(0x7EDE)
_HASH_CONTENT_LENGTH = const(0x26BA)
_HASH_TRANSFER_ENCODING = const(0xB0F5)
_HASH_EXPECT = const(0xEC59)
_HASH_RANGE = const(0x393D)
_HASH_CLOSE = const(0xDDF8)
_HASH_KEEP_ALIVE = const(0x6085)
_HASH_UPGRADE = const(0x9A1C)

# A hash only hints: names are compared, so that no crafted name passes for one of these. Where each starts:
_NAMES = b"host:connection:content-length:transfer-encoding:expect:"
_AT_HOST = const(0)
_AT_CONNECTION = const(5)
_AT_CONTENT_LENGTH = const(16)
_AT_TRANSFER_ENCODING = const(31)
_AT_EXPECT = const(49)


def _classes():
    table = bytearray(256)
    for code in range(256):
        if 0x21 <= code <= 0x7E:
            table[code] = _VALUE | (0 if code == 0x23 else _VISIBLE)
        elif code >= 0x80 or code in b" \t":
            table[code] = _VALUE
        if 0x30 <= code <= 0x39 or 0x41 <= code & 0xDF <= 0x5A:
            table[code] |= _TOKEN | _AUTHORITY
    for code in b"!#$%&'*+-.^_`|~":
        table[code] |= _TOKEN
    for code in b"-._~%!$&'()*+,;=":
        table[code] |= _AUTHORITY
    return bytes(table)


_CLASSES = _classes()
del _classes  # it is memory, and done
_VERSION = b"HTTP/1.1\r\n"

# 1 once a Host begins with a bracket: what is between them is for `framing` to look at, before the next scan.
brackets = bytearray(1)


def new_marks(max_target, max_fields):
    """Return the array that `scan` fills: 16-bit positions, room for `max_fields` fields."""
    marks = array("H", bytes(2 * (_FIELDS + 4 * max_fields)))
    marks[_MAX_TARGET] = max_target
    marks[_MAX_FIELDS] = max_fields
    return marks


@micropython.viper
def scan(b: ptr8, i: int, end: int, m: ptr16) -> int:
    """Scan the head in `b[i:end]`, fill the marks `m`.

    Returns where it ends, 0 where it is not complete, or a negative status: -400 bad syntax or not exactly one valid
    Host, -414 target too long, -431 too many fields, -505 another major version. A head longer than the buffer is the
    caller's 431. `b` begins at a multiple of four, as a bytearray does.
    """
    # The parameters are what the compiler keeps in registers: the hottest names come first.
    classes = ptr8(_CLASSES)
    words = ptr32(b)
    # RFC 9112 2.2: empty lines before a request line are to be ignored.
    while i < end and b[i] == 13:
        if i + 1 >= end:
            return 0
        if b[i + 1] != 10:
            return -400
        i += 2
    m[_METHOD] = i
    start = i
    while i < end and classes[b[i]] & _TOKEN:
        i += 1
    if i >= end:
        return 0
    if b[i] != 32 or i == start:
        return -400
    m[_METHOD_END] = i
    names = ptr8(_METHODS)
    at = 0
    code = 1
    while True:
        j = start
        while b[j] == names[at] and j < i:
            j += 1
            at += 1
        if j == i and names[at] == 32:
            break
        while names[at] != 32:
            at += 1
        at += 1
        code += 1
        if not names[at]:
            code = 0
            break
    m[_METHOD_CODE] = code
    i += 1
    start = i
    m[_TARGET] = i
    flags = path_end = 0
    while i < end:
        c = b[i]
        if not classes[c] & _VISIBLE:
            break
        if c == 63 and not path_end:
            path_end = i
        elif c == 37 and not path_end:
            flags = _ESCAPED
        i += 1
    if i - start > m[_MAX_TARGET]:
        return -414
    if i >= end:
        return 0
    if b[i] != 32 or i == start:
        return -400
    m[_PATH_END] = path_end if path_end else i
    m[_TARGET_END] = i
    if b[start] != 47:
        flags |= _NOT_ORIGIN
    if code == 2:
        flags |= _HEAD
    i += 1
    names = ptr8(_VERSION)
    start = i
    while i - start < 10:
        if i >= end:
            return 0
        c = b[i]
        if i - start == 5 or i - start == 7:
            if c < 48 or c > 57:
                return -400
        elif c != names[i - start]:
            return -400
        i += 1
    if b[start + 5] != 49:
        return -505
    if b[start + 7] != 48:
        flags |= _MINOR_1
    names = ptr8(_NAMES)
    count = 0
    field = _FIELDS
    while i < end:
        if b[i] == 13:
            if i + 1 >= end:
                return 0
            if b[i + 1] != 10:
                return -400
            # RFC 9112 3.2: exactly one Host.
            if flags & _MINOR_1 and not flags & _HOST:
                return -400
            m[_FLAGS] = flags
            m[_COUNT] = count
            return i + 2
        if count >= m[_MAX_FIELDS]:
            return -431
        start = i
        h = 0
        while i < end:
            c = b[i]
            if not classes[c] & _TOKEN:
                break
            h = h * 31 + (c | 32)
            i += 1
        h &= 0xFFFF
        if i >= end:
            return 0
        # RFC 9112 5.1 and 5.2: no space before the colon, no folded lines.
        if b[i] != 58 or i == start:
            return -400
        m[field] = h
        m[field + 1] = start
        i += 1
        while i < end and (b[i] == 32 or b[i] == 9):
            i += 1
        m[field + 2] = i
        while i < end and classes[b[i]] & _VALUE:
            i += 1
            # Four bytes at once, as long as all are from 32 to 126: no top bit of one more, of 32 less, or of theirs.
            while not i & 3 and i < end - 3:
                c = words[i >> 2]
                if (c + 0x01010101 | c - 0x20202020 | c) >> 7 & 0x01010101:
                    break
                i += 4
        if i + 1 >= end:
            if i < end and b[i] != 13:
                return -400
            return 0
        if b[i] != 13 or b[i + 1] != 10:
            return -400
        j = i
        i = int(m[field + 2])
        while j > i and (b[j - 1] == 32 or b[j - 1] == 9):
            j -= 1
        m[field + 3] = j
        count += 1
        code = 0
        if h == _HASH_RANGE or (b[start] | 32 == 105 and b[start + 1] | 32 == 102):
            flags |= _CONDITIONAL
        if h == _HASH_HOST:
            code = _HOST
            at = _AT_HOST
        elif h == _HASH_CONNECTION:
            code = _CLOSE
            at = _AT_CONNECTION
        elif h == _HASH_CONTENT_LENGTH:
            code = _CONTENT_LENGTH
            at = _AT_CONTENT_LENGTH
        elif h == _HASH_TRANSFER_ENCODING:
            code = _TRANSFER_ENCODING
            at = _AT_TRANSFER_ENCODING
        elif h == _HASH_EXPECT:
            code = _EXPECT
            at = _AT_EXPECT
        if code:
            # Folding with 32 makes no other token character equal to a letter, a hyphen or the colon behind the name.
            while b[start] | 32 == names[at] and names[at] != 58:
                start += 1
                at += 1
            if b[start] == 58 and names[at] == 58:
                if code == _HOST:
                    if flags & _HOST:
                        return -400
                    if i < j and b[i] == 91:
                        seen = ptr8(brackets)
                        seen[0] = 1
                        i += 1
                        while i < j and (b[i] == 58 or classes[b[i]] & _AUTHORITY):
                            i += 1
                        if b[i] != 93 or b[i - 1] == 91:
                            return -400
                        i += 1
                    else:
                        while i < j and classes[b[i]] & _AUTHORITY:
                            i += 1
                    if i < j:
                        if b[i] != 58:
                            return -400
                        i += 1
                    while i < j:
                        if b[i] < 48 or b[i] > 57:
                            return -400
                        i += 1
                if code == _CLOSE:
                    code = 0
                    while i < j:
                        h = 0
                        while i < j and classes[b[i]] & _TOKEN:
                            h = (h * 31 + (b[i] | 32)) & 0xFFFF
                            i += 1
                        # What else has one of these hashes only closes or keeps its own connection.
                        if h == _HASH_KEEP_ALIVE:
                            code |= _KEEP_ALIVE
                        elif h == _HASH_CLOSE:
                            code |= _CLOSE
                        elif h == _HASH_UPGRADE:
                            code |= _UPGRADE
                        i += 1
                flags |= code
        i = int(m[field + 3])
        while b[i] != 13:
            i += 1
        i += 2
        field += 4
    return 0


@micropython.viper
def hash_name(name) -> int:
    """Return the 16-bit hash of a field name (bytes), the same for upper and lower case."""
    b = ptr8(name)
    n = int(len(name))
    h = i = 0
    while i < n:
        h = (h * 31 + (b[i] | 32)) & 0xFFFF
        i += 1
    return h


@micropython.viper
def find(b: ptr8, m: ptr16, name, after: int) -> int:
    """Return where in the marks `m` of buffer `b` a field `name` (lower-case bytes) stands first behind `after`, or 0.

    Pass 0 to begin, the last result to go on. Names are compared, so that a clash of hashes finds nothing.
    """
    wanted = ptr8(name)
    n = int(len(name))
    h = i = 0
    while i < n:
        h = (h * 31 + (wanted[i] | 32)) & 0xFFFF
        i += 1
    field = after + 4 if after else _FIELDS
    last = _FIELDS + 4 * m[_COUNT]
    while field < last:
        if m[field] == h:
            start = int(m[field + 1])
            i = 0
            # The scan saw a colon behind every name, and no name has one in it: the comparison stops there.
            while i < n:
                c = b[start + i]
                # Only letters have two cases.
                if c != wanted[i] and (c | 32 != wanted[i] or wanted[i] < 97 or wanted[i] > 122):
                    break
                i += 1
            if i == n and b[start + n] == 58:
                return field
        field += 4
    return 0


@micropython.viper
def all_of(b: ptr8, i: int, end: int, kind: int) -> int:
    """Tell whether every byte of `b[i:end]` is of a kind: TOKEN, VALUE or AUTHORITY."""
    classes = ptr8(_CLASSES)
    while i < end:
        if not classes[b[i]] & kind:
            return 0
        i += 1
    return 1
