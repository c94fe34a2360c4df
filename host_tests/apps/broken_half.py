"""Half of a part: its import fails."""

half = True
raise ValueError("broken")
