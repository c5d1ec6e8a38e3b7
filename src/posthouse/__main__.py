"""`python -m posthouse`."""

import sys

try:
    from posthouse.cli.main import main
except KeyboardInterrupt:  # nothing has begun
    sys.stderr.write("\nposthouse: stopped\n")
    sys.exit(130)

main()
