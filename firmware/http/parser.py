"""Request heads: one native pass over the caller's buffer, then lazy views.

`scan` reads a head (RFC 9112 sections 2, 3 and 5), checks every byte once and writes (start, end) positions into the
caller's `marks`. It allocates nothing, copies nothing and never looks at or beyond `end`. `new_marks` makes the array, `find` and `hash_name` look fields up in it.

An error is a negative status: -400, -414, -431 or -505. Whatever comes after an error cannot be framed: answer and close.
"""

from array import array

from firmware.http.native import const, micropython, ptr8, ptr16

# Where `scan` leaves things in `marks`, all but the last three positions in the buffer.
MAX_TARGET = const(0)
MAX_FIELDS = const(1)
METHOD = const(2)
METHOD_END = const(3)
TARGET = const(4)
PATH_END = const(5)
TARGET_END = const(6)
METHOD_CODE = const(7)  # the method's place in METHODS
FLAGS = const(8)
COUNT = const(9)
FIELDS = const(10)  # from here on four a field: hash, name, value, value end

# Bits of FLAGS: all that framing depends on.
MINOR_1 = const(1)  # HTTP/1.1 or a later 1.x
ESCAPED = const(2)  # the path has a percent sign
NOT_ORIGIN = const(4)  # the target does not start with a slash
HOST = const(8)
CONTENT_LENGTH = const(16)
TRANSFER_ENCODING = const(32)
EXPECT = const(64)
CLOSE = const(128)  # Connection has this option
KEEP_ALIVE = const(256)
UPGRADE = const(512)
HEAD = const(1024)  # the method has this name
CONDITIONAL = const(2048)  # there may be an If-... or Range field; more is not known

# Most requests: HTTP/1.1, a path, no body, not HEAD. `FLAGS & USUAL_MASK == USUAL` tells.
USUAL = const(1)
USUAL_MASK = const(1141)

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

# Kinds of bytes.
TOKEN = const(1)  # RFC 9110 5.6.2
_TARGET = const(2)  # visible ASCII but "#": browsers send more than RFC 3986 allows, never a fragment
VALUE = const(4)  # RFC 9110 5.5: visible, space, tab, obs-text
AUTHORITY = const(8)  # a registered name, RFC 3986 3.2.2


def _classes():
    table = bytearray(256)
    for code in range(256):
        if 0x21 <= code <= 0x7E:
            table[code] = VALUE | (0 if code == 0x23 else _TARGET)
        elif code >= 0x80 or code in b" \t":
            table[code] = VALUE
    for code in b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
        table[code] |= TOKEN | AUTHORITY
    for code in b"!#$%&'*+-.^_`|~":
        table[code] |= TOKEN
    for code in b"-._~%!$&'()*+,;=":
        table[code] |= AUTHORITY
    return bytes(table)


_CLASSES = _classes()
_VERSION = b"HTTP/1.1\r\n"


def new_marks(max_target, max_fields):
    """Return the array that `scan` fills: 16-bit positions, room for `max_fields` fields."""
    marks = array("H", bytes(2 * (FIELDS + 4 * max_fields)))
    marks[MAX_TARGET] = max_target
    marks[MAX_FIELDS] = max_fields
    return marks


@micropython.viper
def scan(b: ptr8, i: int, end: int, m: ptr16) -> int:
    """Scan the head in `b[i:end]`, fill the marks `m`.

    Returns where it ends, 0 where it is not complete, or a negative status: -400 bad syntax or not exactly one valid
    Host, -414 target too long, -431 too many fields, -505 another major version. A head longer than the buffer is the
    caller's 431.
    """
    # The parameters are what the compiler keeps in registers: the hottest names come first.
    classes = ptr8(_CLASSES)
    # RFC 9112 2.2: empty lines before a request line are to be ignored.
    while i < end and b[i] == 13:
        if i + 1 >= end:
            return 0
        if b[i + 1] != 10:
            return -400
        i += 2
    m[METHOD] = i
    start = i
    while i < end and classes[b[i]] & TOKEN:
        i += 1
    if i >= end:
        return 0
    if b[i] != 32 or i == start:
        return -400
    m[METHOD_END] = i
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
    m[METHOD_CODE] = code
    i += 1
    start = i
    m[TARGET] = i
    flags = 0
    path_end = 0
    while i < end:
        c = b[i]
        if not classes[c] & _TARGET:
            break
        if c == 63 and not path_end:
            path_end = i
        elif c == 37 and not path_end:
            flags = ESCAPED
        i += 1
    if i - start > m[MAX_TARGET]:
        return -414
    if i >= end:
        return 0
    if b[i] != 32 or i == start:
        return -400
    m[PATH_END] = path_end if path_end else i
    m[TARGET_END] = i
    if b[start] != 47:
        flags |= NOT_ORIGIN
    if code == 2:
        flags |= HEAD
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
        flags |= MINOR_1
    names = ptr8(_NAMES)
    count = 0
    field = FIELDS
    while i < end:
        if b[i] == 13:
            if i + 1 >= end:
                return 0
            if b[i + 1] != 10:
                return -400
            # RFC 9112 3.2: exactly one Host.
            if flags & MINOR_1 and not flags & HOST:
                return -400
            m[FLAGS] = flags
            m[COUNT] = count
            return i + 2
        if count >= m[MAX_FIELDS]:
            return -431
        start = i
        h = 0
        while i < end:
            c = b[i]
            if not classes[c] & TOKEN:
                break
            h = (h * 31 + (c | 32)) & 0xFFFF
            i += 1
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
        while i < end and classes[b[i]] & VALUE:
            i += 1
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
            flags |= CONDITIONAL
        if h == _HASH_HOST:
            code = HOST
            at = _AT_HOST
        elif h == _HASH_CONNECTION:
            code = CLOSE
            at = _AT_CONNECTION
        elif h == _HASH_CONTENT_LENGTH:
            code = CONTENT_LENGTH
            at = _AT_CONTENT_LENGTH
        elif h == _HASH_TRANSFER_ENCODING:
            code = TRANSFER_ENCODING
            at = _AT_TRANSFER_ENCODING
        elif h == _HASH_EXPECT:
            code = EXPECT
            at = _AT_EXPECT
        if code:
            # Folding with 32 makes no other token character equal to a letter, a hyphen or the colon behind the name.
            while b[start] | 32 == names[at] and names[at] != 58:
                start += 1
                at += 1
            if b[start] == 58 and names[at] == 58:
                if code == HOST:
                    if flags & HOST:
                        return -400
                    if i < j and b[i] == 91:
                        i += 1
                        while i < j and (b[i] == 58 or classes[b[i]] & AUTHORITY):
                            i += 1
                        if b[i] != 93 or b[i - 1] == 91:
                            return -400
                        i += 1
                    else:
                        while i < j and classes[b[i]] & AUTHORITY:
                            i += 1
                    if i < j:
                        if b[i] != 58:
                            return -400
                        i += 1
                    while i < j:
                        if b[i] < 48 or b[i] > 57:
                            return -400
                        i += 1
                if code == CLOSE:
                    code = 0
                    while i < j:
                        h = 0
                        while i < j and classes[b[i]] & TOKEN:
                            h = (h * 31 + (b[i] | 32)) & 0xFFFF
                            i += 1
                        # What else has one of these hashes only closes or keeps its own connection.
                        if h == _HASH_KEEP_ALIVE:
                            code |= KEEP_ALIVE
                        elif h == _HASH_CLOSE:
                            code |= CLOSE
                        elif h == _HASH_UPGRADE:
                            code |= UPGRADE
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
    h = 0
    i = 0
    while i < n:
        h = (h * 31 + (b[i] | 32)) & 0xFFFF
        i += 1
    return h


@micropython.viper
def find(b: ptr8, m: ptr16, name, after: int) -> int:
    """Return where in the marks `m` of buffer `b` the first field `name` (lower-case bytes) stands behind `after`, or 0.

    Pass 0 to begin, the last result to go on. Names are compared, so that a clash of hashes finds nothing.
    """
    wanted = ptr8(name)
    n = int(len(name))
    h = 0
    i = 0
    while i < n:
        h = (h * 31 + (wanted[i] | 32)) & 0xFFFF
        i += 1
    field = after + 4 if after else FIELDS
    last = FIELDS + 4 * m[COUNT]
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
