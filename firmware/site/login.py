"""The endpoints of `account`: log-in and log-out, the password, the tokens. Loaded by the first request for one."""

from firmware.site import guards

app = guards.auth().app
app.can_go = True  # its state is kept by the account
