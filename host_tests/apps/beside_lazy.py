"""What `lazy_app` and its parts share."""

failures = [0]  # how many loads of a part are to run out of memory
stays = []  # names of the parts that cannot go
ticks = {}  # what background tasks have counted, by their part
