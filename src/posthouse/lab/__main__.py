"""`python -m posthouse.lab`: machines for people who develop."""

from posthouse.lab.cli import main

main()
