"""Log-in and log-out, the password, the tokens: the endpoints of `account`, loaded by who asks for them."""

from firmware.site.account import auth
from firmware.site.problems import explain

app = auth.app
app.can_go = True  # what it knows is the account's
explain(app)
