"""Lines as the daemons of both Debians wrote them, and as an attacker would like them to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.mailflow import log
from posthouse.watch import signs
from posthouse.watch.signs import Sign

FROM = "198.18.1.1"
# 12: Postfix 3.7, Dovecot 2.3, from supervisor's files; 13: Postfix 3.10, Dovecot 2.4, from the journal.
DOVECOT_12 = {
    "wrong": "auth-worker(556): Info: conn unix:auth-worker (pid=322,uid=104): auth-worker<1>:"
    " sql(user@snorl.ax,198.18.1.1,<fKtX1upg7LrGEgEB>): Password mismatch (SHA1 of given password: d7b)",
    "wrong by SMTP": "auth-worker(556): Info: conn unix:auth-worker (pid=322,uid=104): auth-worker<6>:"
    " sql(user@snorl.ax,198.18.1.1): Password mismatch (SHA1 of given password: d7b)",
    "nobody": "auth-worker(556): Info: conn unix:auth-worker (pid=322,uid=104): auth-worker<2>:"
    " sql(nobody@snorl.ax,198.18.1.1,<IIJ31upg+LrGEgEB>): unknown user (SHA1 of given password: 361)",
    "strange": "auth: Info: plain(?,198.18.1.1,<3mLT1upgIIvGEgEB>): Username character disallowed by"
    " auth_username_chars: 0x3e (username: x>, rip=9.9.9.9, lip=1.1.1.1 (a,8.8.8.8): Password mismatch)",
    "front": "imap-login: Info: Disconnected: Aborted login by logging out (auth failed, 3 attempts in 3 secs):"
    " user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.1, lip=198.18.1.16, TLS, session=<fKtX1upg7LrGEgEB>",
    "front strange": "imap-login: Info: Disconnected: Aborted login by logging out (auth failed, 3 attempts in 10"
    " secs): user=<x>, rip=9.9.9.9, lip=1.1.1.1 (a,8.8.8.8): Password mismatch>, method=PLAIN, rip=198.18.1.1,"
    " lip=198.18.1.16, TLS, session=<3mLT1upgIIvGEgEB>",
    "good": "imap-login: Info: Login: user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.1, lip=198.18.1.16, mpid=317,"
    " TLS, session=<Mnds1+pg4uzGEgEB>",
}
DOVECOT_13 = {
    "wrong": "auth-worker(user@snorl.ax,198.18.1.1)<1031><5iTz0epg7qXGEgEB>: request [15]: sql: Password mismatch"
    " (SHA1 of given password: d7b)",
    "wrong by SMTP": "auth-worker(user@snorl.ax,198.18.1.1)<1031>: request [20]: sql: Password mismatch (SHA1 of given"
    " password: d7b)",
    "nobody": "auth-worker(nobody@snorl.ax,198.18.1.1)<1031><IpAS0upgHO7GEgEB>: request [16]: sql: unknown user"
    " (SHA1 of given password: 361)",
    "strange": "auth(?,198.18.1.1,sasl:plain)<lnRu0upgHu7GEgEB>: plain: Username character disallowed by"
    " auth_username_chars: 0x3e (username: x>, rip=9.9.9.9, lip=1.1.1.1 (a,8.8.8.8): Password mismatch)",
    "front": "imap-login: Login aborted: Logged out (auth failed, 3 attempts in 2 secs) (auth_failed):"
    " user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.1, lip=198.18.1.15, TLS, session=<5iTz0epg7qXGEgEB>",
    "front strange": "pop3-login: Login aborted: Connection closed (auth failed, 3 attempts in 18 secs) (auth_failed):"
    " user=<x>, rip=9.9.9.9, lip=1.1.1.1 (a,8.8.8.8): Password mismatch>, method=PLAIN, rip=198.18.1.1,"
    " lip=198.18.1.15, TLS: Connection closed, session=<Upbt0+pgRNHGEgEB>",
    "good": "imap-login: Logged in: user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.1, lip=198.18.1.15, mpid=721, TLS,"
    " session=<eEsH0+pgKLrGEgEB>",
}
# The same Dovecot 2.4, from supervisor's files.
FILES_13 = {
    "wrong": "auth-worker(user@snorl.ax,198.18.1.1)<490><wPkOpPBgdevAAAJj>: request [10]: Info: accounts: Password"
    " mismatch (SHA1 of given password: d7b) - trying the next passdb",
    "nobody": "auth-worker(nobody@snorl.ax,198.18.1.1)<1031><IpAS0upgHO7GEgEB>: request [16]: Info: accounts: unknown"
    " user (SHA1 of given password: 361) - trying the next passdb",
    "strange": "auth(?,198.18.1.1,sasl:plain)<lnRu0upgHu7GEgEB>: Info: plain: Username character disallowed by"
    " auth_username_chars: 0x3e (username: x>, rip=9.9.9.9, lip=1.1.1.1 (a,8.8.8.8): Password mismatch)",
    "front": "imap-login: Info: Login aborted: Connection closed (auth failed, 3 attempts in 2 secs) (auth_failed):"
    " user=<user@snorl.ax>, method=PLAIN, rip=198.18.1.1, lip=198.18.4.10, TLS: Connection closed, session=<iYkspPBg>",
}
MEANS = {
    "wrong": ("auth", "user@snorl.ax", "d7b", 1),
    "wrong by SMTP": ("auth", "user@snorl.ax", "d7b", 1),
    "nobody": ("auth", "nobody@snorl.ax", "361", 1),
    "strange": ("auth", "?", "", 1),
    "front": ("login", "user@snorl.ax", "", 3),
    "front strange": ("login", "x>, rip=9.9.9.9, lip=1.1.1.1 (a,8.8.8.8): password mismatch", "", 3),
    "good": ("good", "user@snorl.ax", "", 1),
}
# CRAM-MD5 and SCRAM-SHA-256: there is no password that could be told; with an override alone, nobody who judges.
UNTOLD_12 = [
    "auth: Info: cram-md5(user@snorl.ax,198.18.1.1,<lQuySPNgFbvAAAIg>): Password mismatch",
    "auth: Info: scram-sha-256(user@snorl.ax,198.18.1.1): Password mismatch",
    "auth-worker(1064): Info: conn unix:auth-worker (pid=1026,uid=104): auth-worker<1>:"
    " sql(user@snorl.ax,198.18.1.1,<FCOySPNgOZ/AAAIj>): unknown user  - trying the next passdb",
    "auth: Error: cram-md5(user@snorl.ax,198.18.1.1): All password databases were skipped",
    "auth: Error: scram-sha-256(user@snorl.ax,198.18.1.1,<OcyiX/NgZ4oLFwAH>): All password databases were skipped",
]
UNTOLD_13 = [
    "auth(user@snorl.ax,198.18.1.1,sasl:cram-md5)<uYbGTPNgP+7AAAIg>: cram-md5: Password mismatch",
    "auth(user@snorl.ax,198.18.1.1,sasl:scram-sha-256): scram-sha-256: Password mismatch",
    "auth-worker(user@snorl.ax,198.18.1.1)<1120><l/3GTPNg5eLAAAIm>: request [3]: cram-md5: unknown user  - trying the"
    " next passdb",
    "auth-worker(user@snorl.ax,198.18.1.1)<1125>: request [8]: scram-sha-256: unknown user  - trying the next passdb",
    "auth(user@snorl.ax,198.18.1.1,sasl:cram-md5): Error: All password databases were skipped",
    "auth(user@snorl.ax,198.18.1.1,sasl:scram-sha-256)<udChX/NgVc0LGwAH>: Error: All password databases were skipped",
]
POSTFIX = {
    "warning: unknown[198.18.1.1]: SASL PLAIN authentication failed: (reason unavailable),"
    " sasl_username=user@snorl.ax": (
        "login", "user@snorl.ax", ""),
    "warning: a-1.example[198.18.1.1]: SASL LOGIN authentication failed: UGFzc3dvcmQ6": ("login", "", ""),
    "NOQUEUE: reject: RCPT from unknown[198.18.1.1]: 550 5.1.1 <Nobody@snorl.ax>: Recipient address rejected: User"
    " unknown in virtual mailbox table; from=<a@b.example> to=<nobody@snorl.ax> proto=ESMTP helo=<h>": (
        "recipient", "", "nobody@snorl.ax"),
    "925CB38839E: reject: RCPT from unknown[198.18.1.1]: 554 5.7.1 <a@b.example>: Relay access denied;"
    " from=<a@c.example> to=<a@b.example> proto=ESMTP helo=<h>": ("relay", "", ""),
    "NOQUEUE: milter-reject: MAIL from unknown[198.18.1.1]: 530 5.7.0 Log in before you send mail; from=<a@b.example>"
    " proto=ESMTP helo=<h>": ("relay", "", ""),
    "723943869CC: client=unknown[198.18.1.1], sasl_method=PLAIN, sasl_username=user@snorl.ax": (
        "good", "user@snorl.ax", ""),
    "timeout after CONNECT from unknown[198.18.1.1]": ("slow", "", ""),
    "NOQUEUE: timeout after STARTTLS from a-1.example[198.18.1.1]": ("slow", "", ""),
}  # fmt: skip


def journal(text: str, service: str = "dovecot", identifier: str = "dovecot") -> Sign | None:
    unit = {"dovecot": "dovecot.service", "postfix": "postfix.service"}[service]
    line = log.entry_line(
        {
            "__REALTIME_TIMESTAMP": "1795411560691328",
            "_SYSTEMD_UNIT": unit,
            "MESSAGE": text,
            "SYSLOG_IDENTIFIER": identifier,
        }
    )
    return signs.read(line) if line else None


def file(text: str, service: str = "dovecot") -> Sign | None:
    line = log.file_line(service, f"Nov 23 05:26:35 {text}")
    return signs.read(line) if line else None


@pytest.mark.parametrize("name", FILES_13)
def test_dovecot_2_4_in_files(name: str) -> None:
    found = file(FILES_13[name])
    assert found is not None
    assert str(found.address) == FROM
    assert (found.kind, found.user, found.mark, found.weight) == MEANS[name]


@pytest.mark.parametrize("name", MEANS)
@pytest.mark.parametrize("debian", [12, 13])
def test_dovecot(debian: int, name: str) -> None:
    text = {12: DOVECOT_12, 13: DOVECOT_13}[debian][name]
    for found in (file(text), journal(text.replace(": Info: ", ": ", 1))):
        assert found is not None
        assert (found.kind, found.user, found.mark, found.weight) == MEANS[name]
        assert str(found.address) == FROM


@pytest.mark.parametrize("text", UNTOLD_12 + UNTOLD_13)
def test_a_try_of_which_no_password_can_be_told(text: str) -> None:
    for found in (file(text), journal(text.replace(": Info: ", ": ", 1))):
        assert found is not None
        assert (found.kind, found.user, found.mark, found.weight) == ("auth", "user@snorl.ax", "", 1)
        assert str(found.address) == FROM


@pytest.mark.parametrize("text", POSTFIX)
def test_postfix(text: str) -> None:
    for found in (
        journal(text, "postfix", "postfix/smtpd"),
        file(f"mail postfix/submission/smtpd[9]: {text}", "postfix"),
    ):
        assert found is not None
        assert (found.kind, found.user, found.mark) == POSTFIX[text]
        assert str(found.address) == FROM


def test_addresses() -> None:
    mapped = "warning: unknown[::ffff:192.0.2.7]: SASL PLAIN authentication failed: x"
    found = journal(mapped, "postfix", "postfix/smtpd")
    assert found is not None
    assert str(found.address) == "192.0.2.7"
    assert journal(mapped.replace("::ffff:192.0.2.7", "unknown"), "postfix", "postfix/smtpd") is None
    assert journal(mapped.replace("::ffff:192.0.2.7", "1.2.3"), "postfix", "postfix/smtpd") is None


@pytest.mark.parametrize(
    "text",
    [
        "imap-login: Login aborted: Connection closed (no auth attempts in 0 secs): user=<>, rip=198.18.1.1,"
        " lip=1.1.1.1",
        "imap(user@snorl.ax)<1><a>: Disconnected: Logged out rip=198.18.1.1, lip=1.1.1.1",
        # without an address of its own, what a client wrote is not taken for one
        "auth: plain(?): Username character disallowed by auth_username_chars: 0x28 (username: sql(a,8.8.8.8): Password"
        " mismatch)",
        "lmtp(1): Info: sql(a,8.8.8.8): Password mismatch",
    ],
)
def test_nothing(text: str) -> None:
    assert journal(text) is None
    assert file(text) is None


@pytest.mark.parametrize(
    "after", ["AUTH", "RSET", "MAIL", "DATA (17 bytes)", "END-OF-MESSAGE", "CONNECT from x[9.9.9.9]"]
)
def test_who_is_slow_after_a_login_or_in_a_message_may_be_honest(after: str) -> None:
    assert journal(f"timeout after {after} from unknown[198.18.1.1]", "postfix", "postfix/smtpd") is None


def test_a_login_that_nobody_could_judge_is_none_that_failed() -> None:
    """Dovecot was away: each try of an honest client had "try again later", and it tries again."""
    text = (
        "warning: unknown[198.18.1.1]: SASL PLAIN authentication failed: (reason unavailable), sasl_username="
    )
    assert journal(f"{text}(unavailable)", "postfix", "postfix/smtpd") is None
    assert journal(f"{text}user@snorl.ax", "postfix", "postfix/smtpd") is not None


def test_other_processes_of_postfix_say_nothing() -> None:
    text = "warning: unknown[198.18.1.1]: SASL PLAIN authentication failed: x"
    assert journal(text, "postfix", "postfix/local") is None


_WORDS = ["9.9.9.9", ", rip=9.9.9.9, lip=1.1.1.1", ">", "<", "(", ")", "[9.9.9.9]", ": ", "user=<", "sql(a,9.9.9.9): ",
          "Password mismatch", "(auth failed, 9 attempts", "Logged in: user=<a>", "\r\n", "\n", "warning: x[9.9.9.9]:",
          " SASL PLAIN authentication failed", "NOQUEUE: reject: RCPT from x[9.9.9.9]: 554 5.7.1 <a>: Relay access",
          "session=<", ",", "x", "\u2028", "\x00", "auth-worker(a,9.9.9.9)<1>: request [1]: sql: "]  # fmt: skip


@given(st.lists(st.sampled_from(_WORDS) | st.text(max_size=5), max_size=12).map("".join))
def test_no_name_makes_it_another_address(name: str) -> None:
    """Whatever a client calls itself: the address is its own, or the line says nothing."""
    dovecot = [
        f"imap-login: Login aborted: Logged out (auth failed, 1 attempts in 2 secs) (auth_failed): user=<{name}>,"
        f" method=PLAIN, rip={FROM}, lip=198.18.1.15, TLS, session=<5iTz0epg7qXGEgEB>",
        f"imap-login: Info: Disconnected: Aborted login by logging out (auth failed, 1 attempts in 2 secs):"
        f" user=<{name}>, method=PLAIN, rip={FROM}, lip=198.18.1.15, TLS, session=<5iTz0epg7qXGEgEB>",
        f"auth(?,{FROM},sasl:plain)<lnRu>: plain: Username character disallowed: 0x3e (username: {name})",
        f"auth: Info: plain(?,{FROM},<3mLT>): Username character disallowed: 0x3e (username: {name})",
        f"auth: Error: cram-md5(?,{FROM}): All password databases were skipped{name}",
        f"auth(?,{FROM},sasl:cram-md5): Error: All password databases were skipped{name}",
    ]
    postfix = [
        f"NOQUEUE: reject: RCPT from unknown[{FROM}]: 554 5.7.1 <{name}>: Relay access denied; from=<{name}>"
        f" to=<{name}> proto=ESMTP helo=<{name}>",
        f"warning: unknown[{FROM}]: SASL PLAIN authentication failed: {name}, sasl_username={name}",
    ]
    found = [journal(text) for text in dovecot] + [
        journal(text, "postfix", "postfix/smtpd") for text in postfix
    ]
    # Neither daemon writes an end of line into its log; whatever else stands there, a file's line ends at "\n" alone.
    clean = name.replace("\n", "?")
    found += [file(text.replace(name, clean)) for text in dovecot]
    found += [file(f"mail postfix/smtpd[1]: {text.replace(name, clean)}", "postfix") for text in postfix]
    assert {str(sign.address) for sign in found if sign} <= {FROM}
    assert all(sign.kind != "good" for sign in found if sign)
