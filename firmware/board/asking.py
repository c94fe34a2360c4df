"""What somebody asks of the Wi-Fi supervisor, a scan or a network to be tried: few boards' page ever does."""

# How soon an answer is noticed.
_POLL_MS = 250

# IEEE 802.11: what is shorter is no WPA key, and the driver may choke on it.
_PASSWORD_LEAST = 8


class Request:
    """What somebody waits for: a scan, or, with `ssid`, that network tried; `answer` once it is there."""

    def __init__(self, ssid, password):
        self.ssid = ssid
        self.password = password
        self.answer = None


async def ask(boss, ssid=None, password=None):
    """Leave a request with a `wifi.Supervisor`, `boss`, and return its answer."""
    if password and len(password) < _PASSWORD_LEAST:
        return False, "wrong password", None
    while boss.request:
        await boss.sleep_ms(_POLL_MS)
    boss.request = request = Request(ssid, password)
    boss.hurry = True
    while request.answer is None:
        await boss.sleep_ms(_POLL_MS)
    return request.answer
