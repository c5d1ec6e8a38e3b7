"""What is counted, what is held, and what the postmaster is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from posthouse.agent import tell
from posthouse.agent.sending import DAY, HOUR, SPAM, Limits, Sending

USER, HERE, NOW = "user@snorl.ax", "192.0.2.7", 1_800_000_000.0
LIMITS = Limits(
    messages_hour=5,
    messages_day=12,
    recipients_hour=20,
    recipients_day=40,
    new_recipients_day=10,
    per_address=2,
    local_recipients_hour=8,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sent.sqlite"


@pytest.fixture
def sending(path: Path) -> Iterator[Sending]:
    with closing(Sending(path, LIMITS)) as made:
        yield made


def send(
    sending: Sending, number: int, now: float = NOW, login: str = USER, address: str = HERE
) -> list[str]:
    return [
        sending.judge(login, address, ["friend@elsewhere.example"], now, f"letter {n}", f"ID{n}")
        for n in range(number)
    ]


def test_messages_of_an_hour_and_of_a_day(sending: Sending) -> None:
    assert [bool(why) for why in send(sending, 7)] == [False] * 5 + [True] * 2
    assert "5 messages in an hour" in send(sending, 1)[0]
    # What was held did not count.
    assert [bool(why) for why in send(sending, 6, NOW + HOUR)] == [False] * 5 + [True]
    assert [bool(why) for why in send(sending, 3, NOW + 2 * HOUR)] == [False] * 2 + [True]
    assert "12 messages in a day" in send(sending, 1, NOW + 3 * HOUR)[0]
    assert send(sending, 1, NOW + DAY) == [""]


def test_recipients(sending: Sending) -> None:
    friends = [f"{n}@elsewhere.example" for n in range(10)]
    assert sending.judge(USER, HERE, friends, NOW) == ""
    assert sending.judge(USER, HERE, friends, NOW) == ""
    assert "20 recipients in an hour" in sending.judge(USER, HERE, friends[:1], NOW)


def test_new_recipients(sending: Sending) -> None:
    for n in range(5):
        assert sending.judge(USER, HERE, [f"{n}-{m}@x.example" for m in range(2)], NOW + n * HOUR) == ""
    why = sending.judge(USER, HERE, ["one-more@x.example"], NOW + 6 * HOUR)
    assert "10 new recipients in a day" in why
    assert sending.judge(USER, HERE, ["0-0@X.example"], NOW + 6 * HOUR) == ""  # an old one
    assert sending.judge("user2@snorl.ax", HERE, ["one-more@x.example"], NOW + 6 * HOUR) == ""


def test_one_address_with_many_accounts(sending: Sending) -> None:
    whys = [why for n in range(4) for why in send(sending, 4, login=f"user{n}@snorl.ax")]
    assert [bool(why) for why in whys] == [False] * 10 + [True] * 6
    assert HERE in whys[-1]
    assert send(sending, 1, address="192.0.2.8") == [""]


def test_counts_outlast_the_agent(path: Path) -> None:
    with closing(Sending(path, LIMITS)) as made:
        send(made, 5)
    with closing(Sending(path, LIMITS)) as made:
        assert send(made, 1) != [""]


def test_no_limits(path: Path) -> None:
    with closing(Sending(path, Limits.read("0,0,0,0,0,5"))) as made:
        assert set(send(made, 50)) == {""}


def test_the_postmaster_is_told_once_a_day(sending: Sending) -> None:
    assert sending.burst(USER, NOW) == []
    send(sending, 8)
    samples = sending.burst(USER, NOW)
    assert [(one.address, one.recipients, one.queue_id) for one in samples] == [
        (HERE, 1, f"ID{n}") for n in (5, 6, 7)
    ]
    subject, text = tell.burst(USER, "snorl.ax", "more than 5", samples, sending.addresses(USER, NOW))
    assert USER in subject
    assert "letter 7" in text
    assert HERE in text
    sending.told(USER, NOW)
    assert sending.burst(USER, NOW + HOUR) == []
    send(sending, 8, NOW + DAY + 1)
    assert sending.burst(USER, NOW + DAY + 1)


def test_programs_of_a_unix_user(sending: Sending) -> None:
    program = "Unix user www-data"
    whys = [
        sending.judge(program, "", [f"{n}-{m}@x.example" for m in range(4)], NOW, "news", f"ID{n}")
        for n in range(4)
    ]
    assert [bool(why) for why in whys] == [False] * 2 + [True] * 2
    assert "8 recipients in an hour" in whys[-1]
    assert sending.judge("Unix user root", "", ["a@x.example"], NOW) == ""
    assert sending.judge(USER, HERE, ["a@x.example"], NOW) == ""
    assert sending.judge(program, "", [f"{m}@y.example" for m in range(8)], NOW + HOUR) == ""
    samples = sending.burst(program, NOW + HOUR)
    assert [one.queue_id for one in samples] == ["ID2", "ID3"]
    subject, text = tell.burst(program, "snorl.ax", whys[-1], samples, [])
    assert subject.startswith(f"{program} sends too much")
    assert "--account www-data@snorl.ax" in text


def test_an_earlier_command_line_bounds_no_programs() -> None:
    assert Limits.read("1,2,3,4,5,6").of("Unix user root") == Limits(0, 0, 0, 0, 0, 0)


def test_spam_does_not_count_and_is_told_once_beside_a_burst(sending: Sending) -> None:
    assert set(send(sending, 5)) == {""}
    sending.spam(USER, "ID3")
    assert send(sending, 1) == [""]
    assert all(send(sending, 1))
    assert [one.queue_id for one in sending.burst(USER, NOW, SPAM)] == ["ID3"]
    sending.told(USER, NOW, SPAM)
    assert sending.burst(USER, NOW, SPAM) == []
    assert sending.burst(USER, NOW)
    subject, text = tell.spam(USER, "snorl.ax", "15 points", sending.burst(USER, NOW), [HERE])
    assert "spam" in subject
    assert HERE in text
