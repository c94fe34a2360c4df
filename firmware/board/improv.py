"""Improv over serial: the page that has installed this board tells it its network, over the cable.

boot.py loads this for a moment while such a board knows no network. www.improv-wifi.com/serial has the protocol:

    "IMPROV" 1 TYPE LENGTH DATA SUM        TYPE 1 a state, 2 an error, 3 a command, 4 its result; SUM: of all before it

A command's DATA is NUMBER LENGTH ARGUMENT, a result's NUMBER LENGTH and texts with a byte of length each. Behind a
packet there is a line's end, so that it stands apart from what else is printed.

Type 3 is what the console takes for Ctrl-C: nobody may be interrupted by it while this listens (boot.py sees to that).
A 3 that is in no packet is still what a hand at the keyboard means by it.
"""

import select
import sys
import time

from firmware.server import loader

_HEAD = b"IMPROV\x01"
_CTRL_C = 3

_STATE = 1
_ERROR = 2
_COMMAND = 3
_RESULT = 4

_READY = 2
_JOINING = 3
_JOINED = 4

_NO_ERROR = 0
_INVALID = 1
_UNKNOWN = 2
_NOT_JOINED = 3

_JOIN = 1
_TELL_STATE = 2
_TELL_ABOUT = 3
_SCAN = 4

# The page asks once a second from when it has restarted the board. Once it has, somebody looks for a password.
_WINDOW_MS = 10000
_HELD_MS = 300000
# Between two bytes of a packet; what stays away longer is not its rest.
_GAP_MS = 500

# IEEE 802.11: what is shorter is no WPA key, and the driver may choke on it.
_PASSWORD_LEAST = 8


class Session:
    """What is said over the cable. Bytes come by `take`, packets go by `write(packet)`.

    `station` has `join(ssid, password)`, which returns the board's address or None, `scan()`, which returns (name, dBm,
    whether it is locked) of the networks in range, and `about()`: name, version, chip, name of this board. `address`:
    of the network that was joined, until then None.
    """

    def __init__(self, write, station):
        self.address = None
        self._write = write
        self._station = station
        self._packet = bytearray()

    def take(self, byte):
        """Take a byte; return whether it was the last one of a sound command. Raises KeyboardInterrupt for Ctrl-C."""
        packet = self._packet
        at = len(packet)
        if at < len(_HEAD) and byte != _HEAD[at]:
            self.forget()
            if byte == _CTRL_C:
                raise KeyboardInterrupt
            # It may begin one itself.
            packet = self._packet
            if byte != _HEAD[0]:
                return False
        packet.append(byte)
        if len(packet) < 9 or len(packet) < 10 + packet[8]:
            return False
        self.forget()
        return self._obey(packet)

    def forget(self):
        """Take what comes next as the beginning of a packet."""
        self._packet = bytearray()

    def _obey(self, packet):
        if packet[7] != _COMMAND:
            return False
        is_whole = sum(packet[:-1]) & 255 == packet[-1] and packet[8] >= 2 and packet[10] == packet[8] - 2
        if not is_whole:
            self._send(_ERROR, bytes((_INVALID,)))
        elif packet[9] == _JOIN:
            self._join(bytes(packet[11:-1]))
        elif packet[9] == _TELL_STATE:
            self._send(_STATE, bytes((_JOINED if self.address else _READY,)))
            if self.address:
                self._answer(_TELL_STATE, self.address)
        elif packet[9] == _TELL_ABOUT:
            self._answer(_TELL_ABOUT, *self._station.about())
        elif packet[9] == _SCAN:
            for name, rssi, is_locked in self._station.scan():
                self._answer(_SCAN, name, str(rssi), "YES" if is_locked else "NO")
            self._answer(_SCAN)  # there are no more
        else:
            self._send(_ERROR, bytes((_UNKNOWN,)))
        return is_whole

    def _join(self, argument):
        try:
            end = 1 + argument[0]
            ssid, password = str(argument[1:end], "utf-8"), str(argument[end + 1 :], "utf-8")
            is_sound = end < len(argument) and len(argument) == end + 1 + argument[end]
        except (IndexError, UnicodeError):
            is_sound = False
        if not is_sound:
            self._send(_ERROR, bytes((_INVALID,)))
            return
        self._send(_ERROR, bytes((_NO_ERROR,)))
        self._send(_STATE, bytes((_JOINING,)))
        self.address = self._station.join(ssid, password)
        if self.address:
            self._send(_STATE, bytes((_JOINED,)))
            self._answer(_JOIN, self.address)
        else:
            self._send(_ERROR, bytes((_NOT_JOINED,)))
            self._send(_STATE, bytes((_READY,)))

    def _answer(self, command, *texts):
        data = b""
        for text in texts:
            text = text.encode()
            data += bytes((len(text),)) + text
        self._send(_RESULT, bytes((command, len(data))) + data)

    def _send(self, kind, data):
        packet = _HEAD + bytes((kind, len(data))) + data
        self._write(packet + bytes((sum(packet) & 255, 10)))


class Station:
    """The board's end: its radio, which boot.py has switched on, and its settings. Waits block, as nothing runs yet."""

    # What a `joining.Joiner` expects of who owns the radio.
    reason = None
    attempts = 0
    hurry = False

    def __init__(self, board, network, settings):
        self.settings = settings
        self._board = board
        radio = loader.borrow("firmware.board.radio").Radio(network)
        radio.find()
        self._joiner = loader.borrow("firmware.board.joining").Joiner(self, radio)

    def join(self, ssid, password):
        """Join a network and save it as the first choice; return this board's address there, or None."""
        if password and len(password) < _PASSWORD_LEAST:
            return None
        try:
            is_joined, _, address = _finish(self._joiner.try_new(ssid, password))
        except (OSError, RuntimeError, MemoryError) as error:  # the driver's
            self.say("cannot join %s: %r" % (ssid, error))
            return None
        port = self.settings.current["ports"]["http"]
        return "http://%s%s/" % (address, "" if port == 80 else ":%d" % port) if is_joined else None

    def scan(self):
        """Return the networks in range; none where the driver would not look."""
        try:
            return [(point["ssid"], point["rssi"], point["locked"]) for point in self._joiner.in_range()]
        except (OSError, RuntimeError, MemoryError) as error:
            self.say("no scan: %r" % error)
            return []

    def about(self):
        """Return what runs here, its version, on which chip, and this board's name."""
        from firmware import NAME, VERSION

        return NAME, VERSION, self._board.NAME.split(" with ")[-1], self.settings.current["hostname"]

    def say(self, text):
        """Print a line."""
        print("limpet:", text)

    async def sleep_ms(self, ms):
        """Wait, and let nobody else run."""
        time.sleep_ms(ms)

    def ticks_ms(self):
        """Return the time in ticks."""
        return time.ticks_ms()

    def elapsed(self, since):
        """Return how many milliseconds have passed."""
        return time.ticks_diff(time.ticks_ms(), since)


def listen(window_ms=_WINDOW_MS):
    """Answer the page until a network is joined, or nothing comes any more. Raises KeyboardInterrupt for Ctrl-C."""
    import network

    import firmware.board as board
    from firmware.board import settings, storage

    storage.use(board.options()["data"])
    settings.load()
    print("limpet: the page that has installed this board may tell it its network now")
    _converse(Session(sys.stdout.buffer.write, Station(board, network, settings)), window_ms)


def _converse(session, window_ms):
    keys = select.poll()
    keys.register(sys.stdin, select.POLLIN)
    end = time.ticks_add(time.ticks_ms(), window_ms)
    while not session.address and time.ticks_diff(end, time.ticks_ms()) > 0:
        if not keys.poll(_GAP_MS):
            session.forget()
            continue
        typed = sys.stdin.buffer.read(1)
        if not typed:
            return  # the line is closed
        if session.take(typed[0]):
            end = time.ticks_add(time.ticks_ms(), _HELD_MS)


def _finish(coroutine):
    """Run a coroutine whose waits block, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
