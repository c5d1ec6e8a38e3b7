"""The audit of messages, where it must tell a reply that was lost from a copy that nothing explains."""

from __future__ import annotations

from tests.machine.ledger import LATER, LOST, TAKEN, Entry
from tests.machine.postfix_log import noted

CLEANUP = "Nov 23 07:18:27 mail postfix/cleanup[{}]: {}: message-id=<x-1@elsewhere.example>"
KILLED = (
    "Nov 23 07:18:28 mail postfix/master[12]: warning: process /lib/postfix/cleanup pid {} killed by signal 9"
)
SENT = "Nov 23 07:18:28 mail postfix/lmtp[77]: {}: to=<u@snorl.ax>, dsn=2.0.0, status=sent (250 2.0.0 Saved)"
FIRST, SECOND = "1442074C63A", "C709A74C63B"
ERROR = (LATER, "dot: 451 b'4.3.0 Error: queue file write error'")
OK = (TAKEN, f"2.0.0 Ok: queued as {SECOND}")


def entry(*attempts: tuple[str, str]) -> Entry:
    return Entry(1, "u@snorl.ax", "", 0, list(attempts))


def test_deliveries_are_counted_by_queue_id() -> None:
    assert noted([SENT.format(FIRST), SENT.format(SECOND), SENT.format(FIRST)]).sent == {FIRST: 2, SECOND: 1}


def test_a_write_error_is_a_lost_reply_where_cleanup_died_with_that_message() -> None:
    log = noted([CLEANUP.format(20, FIRST), KILLED.format(20), CLEANUP.format(21, SECOND)])
    assert log.cut_off == {FIRST}
    assert entry(ERROR, OK).unheard({FIRST, SECOND}, log) == 1


def test_a_write_error_is_none_where_another_cleanup_died_or_it_died_with_another_message() -> None:
    for lines in (
        [CLEANUP.format(20, FIRST), KILLED.format(21)],
        [CLEANUP.format(20, FIRST), CLEANUP.format(20, "0000074C63C"), KILLED.format(20)],
        [KILLED.format(20), CLEANUP.format(20, FIRST)],
        [],
    ):
        assert entry(ERROR, OK).unheard({FIRST, SECOND}, noted(lines)) == 0


def test_one_error_explains_one_copy_and_never_the_one_that_was_confirmed() -> None:
    lines = [CLEANUP.format(n, name) for n, name in ((1, FIRST), (2, SECOND), (3, "0000074C63C"))]
    log = noted([*lines, KILLED.format(1), KILLED.format(2), KILLED.format(3)])
    assert entry(ERROR, OK).unheard({FIRST, SECOND, "0000074C63C"}, log) == 1
    assert entry(ERROR, OK).unheard({SECOND}, log) == 0
    assert entry((LATER, "dot: 451 b'4.7.1 Service unavailable'"), OK).unheard({FIRST, SECOND}, log) == 0
    assert entry((LOST, "SMTPServerDisconnected()"), OK).unheard({FIRST, SECOND}, log) == 1
