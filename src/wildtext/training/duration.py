"""Durations for people."""


def duration(seconds: float) -> str:
    """A duration in the two largest units.

    >>> duration(3), duration(75), duration(7500)
    ('3 s', '1 min 15 s', '2 h 5 min')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
