"""The parsers of the operator's own Postfix settings: nothing is lost, nothing of ours is left beside it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.errors import UsageError
from posthouse.stack.postfix import main_cf, master_cf

OURS = """\
# Written by posthouse
# more

# why a
a = 1

# why b, c and d
b = 2,
    3
c = 4
d =
"""
MASTER = """\
# Written by posthouse

# the ports
smtp        inet  n       -      y      -      -       smtpd
submission  inet  n       -      y      -      -       smtpd
    -o x=y

# inside
smtp        unix  -       -      y      -      -       smtp
"""

names = st.text("abcdefgh_0123456789", min_size=1, max_size=8)
words = st.text(
    st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=12
).filter(lambda word: not word.startswith("#"))
values = st.lists(st.lists(words, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=3)
parameters = st.dictionaries(names, values, max_size=6)
services = st.dictionaries(
    st.tuples(names, st.sampled_from(["inet", "unix"])),
    st.lists(words.map("-o {}".format), max_size=3),
    max_size=5,
)


def _known(text: str) -> dict[str, list[str]]:
    """The parameters as Postfix would read them: the last of a name, its lines' words."""
    return {p.name: p.value.split() for p in main_cf.parse(text)}


def _write(wanted: dict[str, list[str]]) -> str:
    return "".join(f"{name} = " + "\n    ".join(lines) + "\n" for name, lines in wanted.items())


@given(parameters)
def test_main_cf_is_read_as_it_was_written(wanted: dict[str, list[str]]) -> None:
    assert _known(_write(wanted)) == {name: " ".join(lines).split() for name, lines in wanted.items()}


@given(parameters)
def test_main_cf_merged(wanted: dict[str, list[str]]) -> None:
    text = main_cf.merged(OURS, {main_cf.OVERRIDE: _write(wanted)})
    own = {name: " ".join(lines).split() for name, lines in wanted.items()}
    assert _known(text) == {**_known(OURS), **own}
    assert len(main_cf.parse(text)) == len({*_known(OURS), *own})
    origins = dict(main_cf.origins(text))
    ours = dict(main_cf.origins(OURS))
    for name in origins:
        assert origins[name] == ("override: postfix/main.cf" if name in own else ours[name])
    assert main_cf.merged(text, {main_cf.OVERRIDE: _write(wanted)}) == text


@given(st.text(max_size=200), st.sampled_from([(main_cf, OURS), (master_cf, MASTER)]))
def test_any_text_is_read_or_refused_by_its_line(text: str, parser: tuple[Any, str]) -> None:
    module, ours = parser
    try:
        module.merged(ours, {module.OVERRIDE: text})
    except UsageError as error:
        refusal = str(error)
    else:
        return
    assert f"/etc/posthouse/overrides/{module.OVERRIDE}, line " in refusal


@given(services)
def test_master_cf_merged(wanted: dict[tuple[str, str], list[str]]) -> None:
    own = "".join(
        f"{name} {type_} n - y - - smtpd\n" + "".join(f"  {option}\n" for option in options)
        for (name, type_), options in wanted.items()
    )
    text = master_cf.merged(MASTER, {master_cf.OVERRIDE: own})
    merged = {service.key: service.lines[1:] for service in master_cf.parse(text)}
    ours = {service.key: service.lines[1:] for service in master_cf.parse(MASTER)}
    assert merged == {**ours, **{key: tuple("    " + o for o in opts) for key, opts in wanted.items()}}
    assert len(master_cf.parse(text)) == len(merged)
    for (name, type_), origin in zip(merged, dict(master_cf.origins(text)).values(), strict=True):
        assert (origin == "override: postfix/master.cf") == ((name, type_) in wanted)


def test_the_line_of_the_mistake_is_named() -> None:
    with pytest.raises(UsageError, match=r"main\.cf, line 3: expected NAME = VALUE, found 'nonsense'"):
        main_cf.merged(OURS, {main_cf.OVERRIDE: "a = 1\n\nnonsense\n"})
    with pytest.raises(UsageError, match=r"master\.cf, line 1: expected a service"):
        master_cf.merged(MASTER, {master_cf.OVERRIDE: "smtp inet n - y\n"})


def test_a_comment_goes_with_its_block() -> None:
    text = main_cf.merged(OURS, {main_cf.OVERRIDE: "b = x\n"})
    assert dict(main_cf.origins(text)) == {
        "a": "why a",
        "b": "override: postfix/main.cf",
        "c": "why b, c and d",
        "d": "why b, c and d",
    }
