"""A verdict in words: what decided, and what would have changed it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from posthouse.spam.model import Learned, Rule, Verdict

_BAYES = ("BAYES_SPAM", "BAYES_HAM")


def headline(verdict: Verdict) -> str:
    """Return the verdict in a sentence."""
    where = "filed in Junk" if verdict.junk else "not taken for spam"
    points = f"{verdict.score:.1f} points; from {verdict.needed:.1f} on it is spam"
    if verdict.forced is not None:
        return f"It was {where} whatever its points: {_said(verdict.forced)}. ({points}.)"
    return f"It was {where}: {points}."


def counted(verdict: Verdict) -> list[Rule]:
    """Return the rules that gave or took points, the heaviest first."""
    rules = [rule for rule in verdict.rules if abs(rule.points) >= 0.05]
    return sorted(rules, key=lambda rule: -abs(rule.points))


def advice(verdict: Verdict, learned: Learned | None) -> Iterator[str]:
    """Yield what decided, and what would have changed it."""
    rules = counted(verdict)
    if verdict.forced is not None:
        yield (
            f"{verdict.forced.name} decided, not the points. Only its sender can change that: by sending from where"
            " his domain allows it, and signed."
        )
        return
    missing = verdict.needed - verdict.score
    if not verdict.junk:
        yield f"{missing:.1f} more points would have made it spam."
    else:
        alone = [rule for rule in rules if verdict.score - rule.points < verdict.needed]
        if alone:
            names = " or ".join(rule.name for rule in alone)
            yield f"Without {names} it would have come to INBOX."
        else:
            yield "No rule decided alone: without any one of them it would still have been spam."
        yield f"{-missing:.1f} points fewer would have let it pass; spam.junk_score in the site file is the limit."
    yield _teaching(verdict, learned)


def _teaching(verdict: Verdict, learned: Learned | None) -> str:
    judged = any(rule.name in _BAYES for rule in verdict.rules)
    how = "moving it out of Junk" if verdict.junk else "moving it into Junk"
    if judged:
        return (
            f"What was learned counted already; if the verdict is wrong, {how} teaches the filter once more."
        )
    if learned is None:
        return f"If the verdict is wrong, {how} teaches the filter."
    if learned.judges:
        return f"If the verdict is wrong, {how} teaches the filter, which judges by what it learned."
    return f"If the verdict is wrong, {how} teaches the filter; {needs(learned)} before that counts."


def needs(learned: Learned) -> str:
    """Return in words how far learning is: "34 of 200 ham needed"."""
    rows = (("spam", learned.spam), ("ham", learned.ham))
    lacking = [f"{count} of {learned.needed} {kind}" for kind, count in rows if count < learned.needed]
    return " and ".join(lacking) + " needed" if lacking else "enough of both was learned"


def _said(rule: Rule) -> str:
    return rule.words or rule.name
