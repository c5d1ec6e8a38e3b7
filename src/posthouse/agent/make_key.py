"""Make one domain's DKIM key, in a process of its own: `python -m posthouse.agent.make_key DOMAIN FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from posthouse.dkim import keys
from posthouse.errors import PosthouseError


def main() -> int:
    """Make the key and return the exit status; what went wrong is told on stderr."""
    domain, folder = sys.argv[1:]
    try:
        keys.ensure(domain, Path(folder))
    except (PosthouseError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
