"""Starts the command line from this folder: `python -I path/to/src` (-I takes nothing from the environment)."""

from posthouse.cli.main import main

main()
