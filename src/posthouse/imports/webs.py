"""Whether aliases lead somewhere: targets that exist, no loops, nobody of this host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from posthouse.directory import addresses
from posthouse.imports.people import Forward, Problems

MOST_TARGETS = 1000  # the schema's; Postfix's virtual_alias_expansion_limit


@dataclass(frozen=True)
class Web:
    """Everything an alias can lead to. `domains`: each with what it is an alias of."""

    domains: Mapping[str, str | None]
    accounts: AbstractSet[str]
    aliases: Mapping[str, AbstractSet[str]]
    builtin: Sequence[str]
    local: Sequence[str]

    def keys(self, address: str) -> Iterator[str]:
        """The addresses as which an address of ours may stand in a table."""
        local, domain = addresses.split(address)
        here = f"{local}@{self.domains.get(domain) or domain}"
        yield from dict.fromkeys((address, addresses.base(address), here, addresses.base(here)))


def check(web: Web, forwards: Sequence[Forward], problems: Problems) -> None:
    """Note every forward that cannot be."""
    edges = {address: set(targets) for address, targets in web.aliases.items()}
    for forward in forwards:
        edges.setdefault(forward.address, set()).add(forward.target)
    for forward in forwards:
        message = _wrong(web, edges, forward)
        if message is not None:
            problems.add(forward.where, message)
    _loops(web, edges, forwards, problems)


def _wrong(web: Web, edges: Mapping[str, set[str]], forward: Forward) -> str | None:
    domain = addresses.split(forward.address)[1]
    alias_of = web.domains.get(domain)
    if alias_of is not None and forward.address.startswith("@"):
        return f"{domain} is an alias of {alias_of} and takes its catch-all"
    if len(edges[forward.address]) > MOST_TARGETS:
        return f"{forward.address} has over {MOST_TARGETS} targets; use a mailing list program"
    local, name = addresses.split(forward.target)
    if name in web.local:
        return f"{forward.target} would be a Unix user of this host; name a mailbox"
    if name not in web.domains or local in web.builtin:
        return None
    keys = tuple(web.keys(forward.target))
    catch_all = f"@{web.domains[name] or name}"
    if any(key in web.accounts or key in edges for key in (*keys, catch_all)):
        return None
    return f"{forward.target} is at our own domain {name}, and does not exist"


def _loops(web: Web, edges: Mapping[str, set[str]], forwards: Sequence[Forward], problems: Problems) -> None:
    """Walk the graph once, depth first; an edge back to where the walk came from closes a loop."""
    lines = {(forward.address, forward.target): forward for forward in forwards}
    done: set[str] = set()
    for start in dict.fromkeys(forward.address for forward in forwards):
        if start in done:
            continue
        way: dict[str, None] = {start: None}
        stack = [_next(web, edges, start)]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                done.add(way.popitem()[0])
            elif step in way:
                chain = list(way)[list(way).index(step) :]
                _tell(lines, [*chain, step], web, problems)
            elif step not in done:
                way[step] = None
                stack.append(_next(web, edges, step))


def _next(web: Web, edges: Mapping[str, set[str]], address: str) -> Iterator[str]:
    """The aliases that an alias leads to; a mailbox that leads to itself keeps its copy and is no loop."""
    for target in sorted(edges.get(address, ())):
        for key in web.keys(target):
            if key in edges:
                if not (key == address and address in web.accounts):
                    yield key
                break


def _tell(lines: Mapping[tuple[str, str], Forward], chain: list[str], web: Web, problems: Problems) -> None:
    """Note a loop at the first line of the file that is part of it; one that was here before is none of ours."""
    steps = set(chain)
    for forward in lines.values():
        if forward.address in steps and not steps.isdisjoint(web.keys(forward.target)):
            problems.add(forward.where, f"{forward.address} would lead to itself: " + " → ".join(chain))
            return
