"""What `parser` leaves in marks, by name: places, bits of flags, kinds of bytes.

Named constants are 29 bytes each on a board, unless their name begins with an underscore: then the compiler folds them
where they are written. So the modules that every request goes through have private copies; a test compares.
"""

from firmware.http.native import const

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

# Kinds of bytes.
TOKEN = const(1)  # RFC 9110 5.6.2
VALUE = const(4)  # RFC 9110 5.5: visible, space, tab, obs-text
AUTHORITY = const(8)  # a registered name, RFC 3986 3.2.2
