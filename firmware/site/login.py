"""Log-in and log-out, the password, the tokens: the endpoints of `account`, loaded by who asks for them."""

from firmware.site.account import auth
from firmware.site.problems import explain

app = auth.app
explain(app)


def can_go():
    """Tell whether this may be forgotten while memory is short (see `server.lazy`)."""
    # What it knows is the account's.
    return True
