"""What the machine must run: pure functions of (Site, Release, Ground, overrides), a folder per daemon."""
