"""What guards an application or is added to it; nothing here costs memory before it is imported."""

# What a token, or a user, may: read, change things, change who may. Each may what those before it may.
ROLES = ("read", "write", "admin")
