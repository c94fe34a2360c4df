"""The setup page with a supervisor that only says it has a radio; on the word `dns=PORT`, the DNS server beside it.

On the word `owned` the board has the password PASSWORD.

What the network's name has in it decides how joining ends: "wrong", "nowhere", "silent", "broken", "slow" (not before
GET /test/go), else well. GET /test/asked tells what the supervisor was asked.
"""

import asyncio

from firmware.board import dns
from firmware.features import passwords
from firmware.site import setup
from host_tests.apps import start

HOSTILE = [
    '<script>alert("1")</script>',
    "'\"><img src=x onerror=alert(1)>",
    "a&amp;b",
    "line\r\nline\ttab\x1b\x7f\x80",
    "\u202ebackwards",
    "%s %d %(x)s {x}",
    "Gr\xfc\xdfe \U0001f40c",
    "  spaces  ",
    "+&=;%41",
]
PASSWORD = "owner's horse"
REASONS = {"wrong": "wrong password", "nowhere": "no such network", "silent": "no address", "odd": "<b>odd</b>"}


class Supervisor:
    state = "access_point"
    address = "127.0.0.1"
    reason = None

    def __init__(self):
        self.asked = []
        self.go = asyncio.Event()
        self.networks = [
            {"ssid": "Rock Pool", "rssi": -47, "locked": True},
            {"ssid": "Lighthouse", "rssi": -64, "locked": True},
            {"ssid": "Harbour Cafe", "rssi": -78, "locked": False},
            {"ssid": "A network whose name is as long.", "rssi": -89, "locked": True},
        ]

    def status(self):
        return {"state": self.state, "address": self.address}

    async def scan(self):
        self.asked.append("scan")
        await asyncio.sleep(0.01)
        return self.networks

    async def try_network(self, ssid, password):
        self.asked.append([ssid, password])
        if "slow" in ssid:
            await self.go.wait()
        await asyncio.sleep(0.01)
        if "broken" in ssid:
            raise ValueError("the radio is broken")
        for word in REASONS:
            if word in ssid:
                return False, REASONS[word], None
        return True, None, "10.0.0.7"


class Settings:
    current = {"hostname": "limpet"}


async def main():
    if "owned" in start.words():
        Settings.current["admin"] = await passwords.make(PASSWORD, 10)
    supervisor = Supervisor()
    app = setup.make(supervisor, Settings)

    @app.get("/test/asked")
    def asked(request):
        found, supervisor.asked = supervisor.asked, []
        return found

    @app.get("/test/go")
    def go(request):
        supervisor.go.set()
        return {}

    @app.get("/test/networks/<name>")
    def networks(request, name):
        many = [{"ssid": "n%d" % at, "rssi": -at, "locked": False} for at in range(100)]
        hostile = [{"ssid": ssid, "rssi": -50, "locked": True} for ssid in HOSTILE]
        lists = {"none": [], "many": many, "hostile": hostile, "wrong": supervisor.networks + many[:2]}
        lists["wrong"].append({"ssid": "wrong", "rssi": -90, "locked": True})
        supervisor.networks = lists[name]
        return {}

    @app.get("/test/address/<value>")
    def address(request, value):
        supervisor.address = value if value != "none" else None
        return {}

    port = start.number("dns")
    task = asyncio.create_task(dns.serve("192.168.4.1", port, "127.0.0.1")) if port else None
    await start.serve(app)
    if task:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
