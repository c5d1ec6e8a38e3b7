"""Feed targets: script/fuzz [--minutes N] [--seed N] [TARGET...]; all where none is named.

Prints a line for each. Inputs that fail are put into fuzz-failures/ in this folder, with what they raised; the exit
status is 1 then.
"""

from __future__ import annotations

import argparse
import sys
from hashlib import sha256
from pathlib import Path

from fuzz import acme, arc, dns_answers, web
from fuzz.run import Report, run

TARGETS = {
    one.name: one
    for one in (
        *(web.MTA_STS, web.AUTOCONFIG, web.AUTODISCOVER, dns_answers.ANSWERS, acme.ERRORS),
        *(arc.SEALS, arc.RECORDS),
    )
}
_FAILURES = Path("fuzz-failures")


def main() -> int:
    """Read the arguments and feed."""
    parser = argparse.ArgumentParser(
        prog="script/fuzz", description="Feed hostile input to what reads strangers'."
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target (10)")
    parser.add_argument("--seed", type=int, default=1, help="of chance (1)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(TARGETS)}")
    reports = []
    for name in given.targets or TARGETS:
        reports.append(run(TARGETS[name], given.minutes * 60, seed=given.seed))
        print(reports[-1], flush=True)
        _keep(reports[-1])
    return 1 if any(report.failures for report in reports) else 0


def _keep(report: Report) -> None:
    for data, said in report.failures:
        _FAILURES.mkdir(exist_ok=True)
        path = _FAILURES / f"{report.name}-{sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(f"{said}\n", encoding="utf-8", errors="replace")
        print(f"  {path}: {said[:200]!a}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
