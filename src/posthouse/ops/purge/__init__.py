"""The way back: `down --purge` gives the machine back as it was found; mail and directory stay unless told twice."""
