"""The only place that runs a program, writes outside the state folder, or talks to the service manager."""
