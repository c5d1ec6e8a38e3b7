"""The only hands: what runs a program, writes outside the state folder, or talks to the service manager.

Nothing here knows about mail beyond the names of packages and units that need a word more than others.
"""
