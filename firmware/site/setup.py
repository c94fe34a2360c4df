"""The setup page: the access point serves this and nothing else.

    app = setup.make(supervisor, settings)      # `firmware.board.wifi.Supervisor`, `firmware.board.settings`

    GET /          the form; with ?scan=1 a list of the networks in range
    POST /join     "network" (chosen: the name's UTF-8 in hexadecimal) or "ssid" (typed), "password", and "admin" if
                   the board has a password, because everybody nearby can join an access point; 303 to
    GET /result    the result of the attempt: a page that reloads itself
    anything else  302 to the form, by this board's address: `firmware.board.dns` leads every name here, so this answers
                   a phone's probe for the internet and every other address that is typed

Plain HTML, for the small window in which a phone shows it. Texts come from the air and from forms, so all are escaped.
"""

import asyncio
from binascii import hexlify, unhexlify

import firmware.board as board
from firmware import App, HTTPError
from firmware.features.hosts import host_name, is_named
from firmware.features.origins import SAFE, refuse_foreign
from firmware.http.urls import decode_text
from firmware.server import loader
from firmware.server.errors import escape

# The strongest networks only: the page is made in RAM, and nobody joins a network weaker than a dozen others.
_MAX_ROWS = 12
# The least dBm for 2, 3 and 4 bars.
_BARS = (-80, -70, -60)
_SIGNALS = ("weak", "fair", "good", "very good")
# A phone may lose the access point when the channel changes. For this long, the form's address shows it the result.
_NEWS_S = 60

_HEADERS = (
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'",
    ),
)

_TOP = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Limpet: Wi-Fi</title><link rel="icon" href="data:,">
<style>
:root { --back: #eef3f4; --card: #fff; --text: #14242b; --quiet: #52636b; --line: #d3dde0;
--accent: #0b6c75; --on-accent: #fff; --good: #17693a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
:root { --back: #0e171b; --card: #162329; --text: #e4eef1; --quiet: #9fb2ba; --line: #2b3d45;
--accent: #5cc8d2; --on-accent: #06262a; --good: #7bd79e; --bad: #ff9b92; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.25rem 1rem 3rem; max-width: 28rem;
background: var(--back); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1, h2, p { margin: 0; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; }
h2 { font-size: 1.05rem; }
p + p { margin-top: .6rem; }
a { color: var(--accent); }
section { margin-top: 1rem; padding: 1.1rem 1.2rem;
background: var(--card); border: 1px solid var(--line); border-radius: .8rem; }
.quiet { color: var(--quiet); font-size: .9rem; }
.good { color: var(--good); }
.bad { color: var(--bad); }
header { display: flex; align-items: center; gap: .9rem; }
.top { display: flex; align-items: center; justify-content: space-between; gap: 1rem; margin-bottom: .4rem; }
.field { display: block; margin-top: 1rem; font-size: .9rem; }
.field input { display: block; width: 100%; padding: .55rem .7rem; font-size: 1rem;
color: inherit; background: var(--back); border: 1px solid var(--quiet); }
input, button, .button { font: inherit; border-radius: .5rem; }
button, .button { display: inline-block; padding: .5rem 1.2rem; border: 0; text-decoration: none;
background: var(--accent); color: var(--on-accent); cursor: pointer; }
.last { margin-top: 1.2rem; width: 100%; }
.plain { background: none; color: var(--accent); border: 1px solid; padding: .3rem .9rem; }
.row { display: flex; align-items: center; gap: .75rem; padding: .65rem 0; border-bottom: 1px solid var(--line); }
.row bdi { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.row input { width: 1.15rem; height: 1.15rem; margin: 0; accent-color: var(--accent); }
.row svg { width: 1.15rem; height: 1.15rem; flex: none; fill: var(--quiet); }
#bars path + path { opacity: var(--2, .25); }
#bars path + path + path { opacity: var(--3, .25); }
#bars path + path + path + path { opacity: var(--4, .25); }
.s1, .s2, .s3 { --2: 1; }
.s2, .s3 { --3: 1; }
.s3 { --4: 1; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
</style>
"""

# Each picture is defined once, and rows refer to it: bars above the signal's strength are faint.
_HEADER = """</head><body>
<svg style="display:none"><symbol id="lock" viewBox="0 0 16 16"><path
d="M4 7V5a4 4 0 0 1 8 0v2h1v8H3V7zm2 0h4V5a2 2 0 0 0-4 0z"/></symbol><symbol id="bars" viewBox="0 0 16 16"><path
d="M0 11h3v4H0z"/><path d="M4 8h3v7H4z"/><path d="M8 5h3v10H8z"/><path d="M12 1h3v14h-3z"/></symbol></svg>
<header><svg width="44" height="44" viewBox="0 0 32 32"><path
d="M2 26C5 15 10 5 16 5s11 10 14 21z" fill="#0e7c86"/><path
d="M16 5 9 26m7-21v21m0-21 7 21" fill="none" stroke="#bfe9ec" stroke-width="1.6" stroke-linecap="round"/><path
d="M1 26h30" stroke="#7d8b94" stroke-width="3" stroke-linecap="round"/></svg>
<div><h1>Limpet</h1><p class="quiet">Bring this board into your Wi-Fi.</p></div></header>
<main>
"""

_SEARCH = """<section><form class="top" action="/"><h2>Networks</h2><button class="plain" name="scan"
value="1">%s</button></form>
"""
_ROW = """<label class="row"><input type="radio" name="network" value="%s"%s><bdi>%s</bdi>%s
<svg class="s%d" role="img" aria-label="%s signal"><use href="#bars"/></svg></label>
"""
_LOCK = """<svg role="img" aria-label="locked"><use href="#lock"/></svg>"""
_FIELDS = """<label class="field">%s
<input name="ssid" value="%s" autocomplete="off" autocapitalize="none" spellcheck="false"></label>
<label class="field">Password <span class="quiet">(none for an open network)</span>
<input type="password" name="password" maxlength="64" autocomplete="off"></label>
%s<button class="last">Join</button></form></section>
"""
_OWNER = """<label class="field">Password of this board
<input type="password" name="admin" maxlength="256" autocomplete="current-password"></label>
"""
_END = "</main></body></html>\n"

_TRYING = """<section><h2>Joining \u201c<bdi>%s</bdi>\u201d</h2>
<p>This takes up to half a minute, and this page tells when it is done.</p>
<p class="quiet">Your phone may lose this Wi-Fi for a moment. If it leaves, let it join again, and open
<a href="%sresult">%sresult</a>.</p></section>
"""
_JOINED = """<section role="status"><h2 class="good">Joined \u201c<bdi>%s</bdi>\u201d</h2>
<p>The board is now at <a href="%s">%s</a><br>and at <a href="%s">%s</a></p>
<p class="quiet">This access point closes in a moment. Go back to your own Wi-Fi, and open one of these there.</p>
</section>
"""
_FAILED = """<section role="alert"><h2 class="bad">\u201c<bdi>%s</bdi>\u201d was not joined</h2>
<p>%s</p>%s</section>
"""
_WRONG = '<section class="bad" role="alert"><p>%s</p></section>\n'
_AGAIN = '<p><a class="button" href="/">Try again</a></p>'

# What to do about each of the supervisor's messages.
_ADVICE = {
    "wrong password": "Wrong password. Mind upper and lower case.",
    "no such network": "No such network is in range. Mind how its name is written.",
    "no address": "The network gave no address. Is its router\u2019s DHCP on, and not full?",
}


class _Attempt:
    """An attempt to join a network: `ok` is None while it lasts, then whether the network was joined."""

    ok = reason = address = None
    end_s = 0

    def __init__(self, ssid):
        self.ssid = ssid


class _Setup:
    def __init__(self, supervisor, settings):
        self._supervisor = supervisor
        self._settings = settings
        self._attempt = None
        self._task = None
        # Counts wrong passwords per address.
        self._auth = None

    # -- hosts and origins

    def guard(self, request):
        """Redirect requests for another host to the form; refuse changes by another site's pages (403)."""
        host = request.headers.get("host")
        is_ours = host is None or self._is_ours(host)
        if request.method in SAFE:
            return None if is_ours else _to(self._home(request), 302)
        if not is_ours:
            raise HTTPError(403, "This board does not go by that name.")
        refuse_foreign(request)
        return None

    def elsewhere(self, request, error):
        """Answer requests for unknown paths."""
        return _to(self._home(request), 302)

    def _is_ours(self, host):
        # The last two: a laptop on which this page is tried out.
        name = host_name(host)
        return name in (self._supervisor.address, "localhost", "127.0.0.1") or is_named(name, self._hostname())

    def _hostname(self):
        return self._settings.current["hostname"].lower()

    def _home(self, request):
        """Return the form's URL, by the requested host name if that is ours. Raises 503 while there is no address."""
        host = request.headers.get("host")
        if host is None or not self._is_ours(host):
            host = self._supervisor.address
        if not host:
            raise HTTPError(503, "The access point opens or closes.", {"Retry-After": "2"})
        return "http://%s/" % host

    # -- the form

    async def form(self, request):
        attempt = self._attempt
        if attempt and (attempt.ok is None or attempt.ok and board.uptime_s() - attempt.end_s < _NEWS_S):
            return _to("/result")
        networks = await self._supervisor.scan() if request.args.get("scan") else None
        if attempt and not attempt.ok:
            return self._form(networks, attempt.ssid, _failed(attempt, ""))
        return self._form(networks)

    def _form(self, networks, ssid="", note=""):
        return _form(networks, ssid, note, _OWNER if self._admin() else "")

    def _admin(self):
        """Return the record of the password that the form asks for, or None.

        A board that has lost its settings asks for none, so that its owner can bring it into a network again. Doing so
        gives no other rights.
        """
        record = self._settings.current.get("admin")
        return None if record and record.endswith("$" + "0" * 64) else record

    async def _check_owner(self, request, password):
        """Check the password, if there is one. Raises 401 for a wrong one, 429 after too many attempts."""
        if self._admin():
            if self._auth is None:
                from firmware.features.auth import Auth

                self._auth = Auth(self._admin, None)
            await self._auth.check_password(request, "admin", password)

    # -- an attempt

    async def join(self, request):
        if self._attempt and self._attempt.ok is None:
            return _to("/result")  # the button was pressed twice
        form = request.form
        ssid = form.get("ssid", "") or _chosen(form.get("network", ""))
        password = form.get("password", "")
        wrong = _wrong(ssid, password)
        if wrong:
            return self._form(None, ssid, _WRONG % wrong), 422
        try:
            await self._check_owner(request, form.get("admin", ""))
        except HTTPError as error:
            if error.status != 401:
                raise
            return self._form(None, ssid, _WRONG % "The password of this board is wrong."), 403
        if self._attempt and self._attempt.ok is None:
            return _to("/result")  # another request began one while the password was verified
        self._attempt = _Attempt(ssid)
        self._task = asyncio.create_task(self._try(self._attempt, password))
        return _to("/result")

    async def _try(self, attempt, password):
        try:
            ok, attempt.reason, attempt.address = await self._supervisor.try_network(attempt.ssid, password)
        except Exception as error:
            print("limpet: %r" % error)
            ok, attempt.reason = False, "internal error"
        attempt.end_s = board.uptime_s()
        attempt.ok = ok

    def result(self, request):
        attempt = self._attempt
        if not attempt:
            return _to("/")
        if attempt.ok is None:
            home = _escape(self._home(request))
            return _page(_TRYING % (_escape(attempt.ssid), home, home), '<meta http-equiv="refresh" content="3">')
        if not attempt.ok:
            return _page(_failed(attempt, _AGAIN))
        by_address = _escape("http://%s/" % attempt.address)
        by_name = _escape("http://%s.local/" % self._hostname())
        return _page(_JOINED % (_escape(attempt.ssid), by_address, by_address, by_name, by_name))


def _to(url, status=303):
    return '<a href="%s">Continue</a>' % _escape(url), status, {"Location": url}


def _page(content, refresh=""):
    return "".join((_TOP, refresh, _HEADER, content, _END))


def _form(networks, ssid, note, more):
    """Return the page with the form, `ssid` chosen, `more` fields.

    `networks`: the result of `scan`, None if no scan was asked for.
    """
    parts = [note, _SEARCH % ("Search" if networks is None else "Search again"), '<form method="post" action="/join">']
    for network in (networks or ())[:_MAX_ROWS]:
        bars = sum(network["rssi"] >= level for level in _BARS)
        value = hexlify(network["ssid"].encode()).decode()
        checked = " checked" if network["ssid"] == ssid else ""
        lock = _LOCK if network["locked"] else ""
        parts.append(_ROW % (value, checked, _escape(network["ssid"]), lock, bars, _SIGNALS[bars]))
    if networks:
        # A typed name has priority over a chosen one: if there is a choice, it was typed on purpose.
        parts.append(_FIELDS % ("Another network\u2019s name", "", more))
    else:
        parts.append("" if networks is None else '<p class="quiet">None was found.</p>')
        parts.append(_FIELDS % ("Name of the network", _escape(ssid), more))
    return _page("".join(parts))


def _failed(attempt, more):
    reason = str(attempt.reason)
    return _FAILED % (_escape(attempt.ssid), _ADVICE.get(reason) or "It says: " + _escape(reason) + ".", more)


def _chosen(digits):
    """Return the network's name for a row of the list. Raises 400 for an invalid one."""
    try:
        return decode_text(unhexlify(digits))
    except ValueError:
        raise HTTPError(400, "This is no network of the list.")


def _wrong(ssid, password):
    """Return why the settings would refuse a name and a password, or None."""
    if not ssid:
        return "Choose a network, or type its name."
    schema = loader.borrow("firmware.board.schema")
    if schema.check_ssid(ssid):
        return "The name of a network has up to 32 bytes."
    return password and schema.check_key(password)


def _escape(text):
    """Return text as HTML; control characters become visible."""
    shown = ["\ufffd" if letter < " " or "\x7f" <= letter <= "\x9f" else letter for letter in text]
    return escape("".join(shown))


def _fix_headers(request, response):
    for name, value in _HEADERS:
        response.set_header(name, value)


def make(supervisor, settings):
    """Return the App. It calls `supervisor.scan()` and `.try_network(ssid, password)`, and reads its `address`."""
    setup = _Setup(supervisor, settings)
    app = App()
    app.before(setup.guard)
    app.after(_fix_headers)
    app.get("/")(setup.form)
    app.get("/result")(setup.result)
    app.post("/join")(setup.join)
    app.error(404)(setup.elsewhere)
    return app
