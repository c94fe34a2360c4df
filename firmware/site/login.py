"""Log-in and log-out, the password, the tokens: the endpoints of `account`, loaded by who asks for them."""

from firmware.site import guards

app = guards.auth().app
app.can_go = True  # what it knows is the account's
