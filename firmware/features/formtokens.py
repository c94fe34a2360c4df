"""Tokens for plain forms: what a page of this board puts into its form, and nobody else knows.

    tokens = FormTokens()
    ... '<input type="hidden" name="token" value="%s">' % tokens.make(request)

    @app.post("/settings")
    @tokens.required
    def save(request): ...

For pages that browsers without Origin and SameSite are to use as well: `origins` does without them.
"""

import os

from firmware.features.signing import is_equal, sign_hex
from firmware.http import cookies
from firmware.http.errors import HTTPError

FIELD = "token"

_KEY_BYTES = 32


class FormTokens:
    """Makes and checks them. A token holds for one session (by the name of its `cookie`), without one for one address;
    until the board starts anew.
    """

    def __init__(self, cookie="limpet"):
        self._cookie = cookie
        self._key = os.urandom(_KEY_BYTES)

    def make(self, request):
        """Return the token (text) for a form sent to this client."""
        sessions = cookies.get_all(request.field(b"cookie"), self._cookie)
        bound_to = "session " + sessions[0] if sessions else "address " + request.client
        return sign_hex(self._key, bound_to.encode())

    def check(self, request):
        """Raise 403 unless the request's form has the token; 415 and 400 for what is no form."""
        token = request.form.get(FIELD, "")
        if not is_equal(token.encode(), self.make(request).encode()):
            raise HTTPError(403, "This form has expired: load its page again.")

    def required(self, handler):
        """Decorate a handler of plain forms, below its route."""

        def wrapped(request, **params):
            self.check(request)
            return handler(request, **params)

        return wrapped
