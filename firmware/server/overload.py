"""More clients than slots: who waits for one, and who makes room.

A client that finds no slot waits for a moment (`enqueue`). Room is made by what is not at a whole request, the oldest
first: idle connections, heads and bodies that are still to come, readers below the least rate; long polls are last. The
address that holds most slots gives first, and the one that holds fewest is seated first. While anybody waits, answers
say `Connection: close`.
"""

from firmware.http.native import const
from firmware.server import transport
from firmware.server.slot import IDLE, NEW, POLL, SLOW, seat

# What a client needs in any case to send its request, or the next one: two sweeps, half a second at least.
GRACE_SWEEPS = const(2)

# Where a client is slow, but its address holds no more than the one that waits: its link may be bad.
_PATIENCE_SWEEPS = const(4)

# A client waits for a slot so long: longer than others have before they make room.
_WAIT_SWEEPS = const(6)


def enqueue(server, client, protocol):
    """Have a client wait for a slot. Where too many wait, refuse the latest of the address that holds most."""
    waiting = server.waiting
    waiting.append((transport.address_of(client[1]), server.clock, client, protocol))
    server.is_short = True
    try:
        if len(waiting) > server.limits.waiting:
            refuse(server, _greediest(server, waiting))
        make_room(server)
    except MemoryError:
        if len(waiting) > server.limits.waiting:
            refuse(server, len(waiting) - 1)


def _greediest(server, waiting):
    """Return the number of the latest of the clients that wait whose addresses hold most."""
    counts = count(server)
    for entry in waiting:
        counts[entry[0]] = counts.get(entry[0], 0) + 1
    held = [counts[entry[0]] for entry in waiting]
    held.reverse()
    return len(held) - 1 - held.index(max(held))


def refuse(server, at):
    """Refuse a client that waits, by its number."""
    _, _, client, protocol = server.waiting.pop(at)
    server.refuse(client, protocol)


def count(server):
    """Return how many slots each address holds."""
    counts = {}
    for slot in server.slots:
        if slot.sock is not None:
            address = slot.address()
            counts[address] = counts.get(address, 0) + 1
    return counts


def make_room(server):
    """Evict one slot for each client that waits, as far as there are any that may be."""
    counts = count(server)
    leaving = len([slot for slot in server.slots if slot.cause is not None])
    for entry in server.waiting:
        if leaving:
            leaving -= 1
            continue
        address = entry[0]
        held = counts.get(address, 0)
        slot = choose(server, counts, held)
        if slot is not None:
            if slot.state == NEW and counts[slot.address()] <= held + 1:
                # Nobody holds less for it: one in a sweep, or all would be gone before a handshake is done.
                if server.swapped == server.clock:
                    continue
                server.swapped = server.clock
            counts[slot.address()] -= 1
            counts[address] = held + 1
            server.evict(slot)


def choose(server, counts, held):
    """Return the slot that makes room for a client whose address holds `held` slots, or None.

    One that has not asked yet, or not again, has a time of grace; but not where its address holds more all the same: it
    would keep its place by coming again and again. An address that holds less only gives what is idle.
    """
    latest = server.clock - GRACE_SWEEPS
    best = best_key = None
    is_soon = False  # whether an idle one will have had its time before a long poll has to go
    for slot in server.slots:
        state = slot.state
        if slot.cause is not None or state not in (NEW, IDLE, SLOW, POLL):
            continue
        held_by = counts[slot.address()]
        since = slot.deadline  # of a long poll: later than all others'
        if state in (IDLE, NEW):
            since -= server.limits.idle_sweeps if state == IDLE else server.limits.head_sweeps
            if since > latest and held_by <= held + 1:
                is_soon = is_soon or state == IDLE
                continue
        elif state == SLOW:
            since = server.clock - slot.slow
            if since > (latest if held_by > held else latest - _PATIENCE_SWEEPS):
                continue
        if held_by < held and state != IDLE:
            continue
        key = (-held_by, since)
        if best is None or key < best_key:
            best, best_key = slot, key
    return None if is_soon and best is not None and best.state == POLL else best


def thin(server):
    """Evict one slot for whoever is not accepted, since memory is short; of the address that holds most."""
    counts = count(server)
    slot = choose(server, counts, max(counts.values())) if counts else None
    if slot is not None:
        server.evict(slot)


def weigh(slot):
    """Count for how many sweeps a body or an answer has been below the least rate; called by each sweep."""
    if slot.state != SLOW:
        slot.slow = 0
    elif slot.moved < slot.server.limits.sweep_bytes:
        slot.slow += 1
    else:
        # A socket takes much at once, then nothing for a while.
        slot.slow //= 2
    slot.moved = 0


def seat_next(server, slot):
    """Seat a client that waits: the first of the address that holds fewest slots, and of those the one that came last.

    Those that came before it may be of as many addresses as there are slots, and come again whenever they have to go.
    """
    waiting = server.waiting
    at = 0
    try:
        counts = count(server)
        first = {}
        for number, entry in enumerate(waiting):
            first.setdefault(entry[0], number)
        at = -min([(counts.get(address, 0), -number) for address, number in first.items()])[1]
    except MemoryError:
        pass
    _, _, client, protocol = waiting.pop(at)
    server.is_short = server.draining or len(waiting) > 0
    try:
        seat(slot, client, protocol)
    except MemoryError:
        client[0].close()


def look(server):
    """Make room for clients that wait, and refuse those that have waited for long; called by each sweep."""
    waiting = server.waiting
    while waiting and waiting[0][1] + _WAIT_SWEEPS <= server.clock:
        refuse(server, 0)
    server.is_short = server.draining or len(waiting) > 0
    make_room(server)
