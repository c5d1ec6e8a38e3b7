"""The plugin that leaves SpamAssassin's patterns out where nothing is to be found overlooks none."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.machine.matching import messages, texts
from tests.machine.server import Server

from posthouse.lab import Machine

pytestmark = [pytest.mark.machine, pytest.mark.classic]
SCRIPT = "/root/patterns.pl"
EXAMPLES = "/usr/share/doc/spamassassin/examples"


@pytest.fixture(scope="module")
def machine(server: Server) -> Machine:
    """The machine with the script."""
    server.machine.put(Path(__file__).with_name("patterns.pl"), SCRIPT)
    return server.machine


def said(machine: Machine, *args: str, input: str = "") -> str:
    return machine.run(["/usr/bin/perl", SCRIPT, *args], input=input, timeout=900).stdout


def found_by(machine: Machine, number: int, chance: random.Random) -> list[tuple[str, bytes]]:
    """So many texts for each of SpamAssassin's own patterns that it may find, with the pattern's name."""
    pairs = []
    for line in said(machine, "list").splitlines():
        name, pattern = line.split()
        for text in texts(bytes.fromhex(pattern).decode("latin-1"), number, chance):
            pairs.append((name, text.replace("\n", " ").encode("latin-1", "replace")))
    return pairs


def test_no_pattern_is_overlooked(machine: Machine) -> None:
    """A few texts of each rule of SpamAssassin, and patterns and texts of chance."""
    pairs = found_by(machine, 3, random.Random(1))
    answer = said(machine, "find", input="".join(f"{name} {text.hex()}\n" for name, text in pairs))
    assert answer.endswith(" patterns, 0 overlooked\n"), answer
    assert int(answer.split()[0]) > 1000, answer  # texts that are found
    assert int(answer.split()[4]) > 450, answer  # by so many patterns
    answer = said(machine, "make", "1", "500")
    assert answer.endswith(" patterns, 0 overlooked\n"), answer
    assert int(answer.splitlines()[-1].split()[0]) > 500, answer


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2, 6))
def test_many_patterns_of_chance(machine: Machine, seed: int) -> None:
    answer = said(machine, "make", str(seed), "20000")
    assert answer.endswith(" patterns, 0 overlooked\n"), answer


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2, 6))
def test_messages_are_judged_as_without_it(machine: Machine, seed: int) -> None:
    """SpamAssassin's own examples, and messages of every kind with words that its rules look for."""
    chance = random.Random(seed)
    pairs = found_by(machine, 20, chance)
    answer = said(machine, "find", input="".join(f"{name} {text.hex()}\n" for name, text in pairs))
    assert answer.endswith(" patterns, 0 overlooked\n"), answer
    folder = f"/root/messages.{seed}"
    machine.run(["mkdir", "-p", folder])
    for number, message in enumerate(messages([text for _, text in pairs], 120, chance)):
        (machine.root / folder.lstrip("/") / str(number)).write_bytes(message)
    answer = said(machine, "judge", folder, EXAMPLES)
    assert answer.endswith(" messages, 0 judged otherwise\n"), answer
    assert int(answer.split()[0]) > 2000, answer
