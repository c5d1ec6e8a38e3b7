"""From one Debian to the next, in place: looked at beforehand, carried out in two steps, taken up where it was cut."""
