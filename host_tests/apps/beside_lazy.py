"""What `lazy_app` and its parts share."""

failures = [0]  # how many loads of a part are to run out of memory
ticks = {}  # what background tasks have counted, by their part
