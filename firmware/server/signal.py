"""What a task waits for that the reactor, or another task, wakes."""

import asyncio


class Signal(asyncio.Event):
    """What tasks wait for, and a reactor's `ready` sets."""

    def ready(self):
        """Wake who waits."""
        self.set()
