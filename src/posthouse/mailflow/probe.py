"""Prove that mail flows: real messages through every real port, read back, their signatures verified.

Every step ends in a `Step`; a step that fails does not stop the others that can still be made. The account
that the probe uses is its own, hidden from lists, and cannot log in but for the length of a probe.
"""

from __future__ import annotations

import imaplib
import json
import poplib
import secrets
import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import files, lock
from posthouse.mailflow import log, pop3, signature, talk
from posthouse.mailflow.account import Probing, probing
from posthouse.mailflow.dialogue import Dialogue, Imap, ImapTls
from posthouse.mailflow.served import protocols

RESULT = paths.STATE / "probe.json"
STRANGER = "somebody@probe.invalid"
ELSEWHERE = "somebody@elsewhere.invalid"


class SiteLike(Protocol):
    """The part of the site that the probe reads."""

    @property
    def domain(self) -> str:
        """The main mail domain."""


@dataclass(frozen=True)
class Step:
    """One thing that was tried. `detail`: what was seen, or what was expected and found instead."""

    name: str
    ok: bool
    detail: str
    seconds: float
    dialogue: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProbeReport:
    """What the probe saw. `when` is POSIX seconds."""

    when: float
    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Tell whether every step went well."""
        return all(step.ok for step in self.steps)

    @property
    def failures(self) -> tuple[Step, ...]:
        """Return the steps that failed."""
        return tuple(step for step in self.steps if not step.ok)

    def as_json(self) -> dict[str, object]:
        """Return the documented shape: when, ok, steps."""
        return {"when": self.when, "ok": self.ok, "steps": [asdict(step) for step in self.steps]}


def run(
    site: SiteLike, *, note: Callable[[str], None] = lambda _: None, dialogue: bool = False
) -> ProbeReport:
    """Probe the mail service of this machine, as root.

    Args:
        site: whose main domain is probed.
        note: told about every step.
        dialogue: keep what was said in every step; in one that fails it is kept anyway.

    Raises:
        PosthouseError: another probe is still running, or the result cannot be kept.
    """
    with lock.exclusive(paths.RUN / "probe.lock", wait=60, note=note):
        probe = _Probe(site.domain, note, dialogue)
        probe.all()
        report = ProbeReport(time.time(), tuple(probe.steps))
        with suppress(files.WriteFailed):  # a full disk is told by `status`, and does not undo what was seen
            files.write_atomic(RESULT, json.dumps(report.as_json()).encode())
        return report


def last() -> ProbeReport | None:
    """Return what the last probe saw, or None where there was none that can be read."""
    try:
        data = json.loads(RESULT.read_bytes())
        steps = tuple(Step(**{**step, "dialogue": tuple(step["dialogue"])}) for step in data["steps"])
        return ProbeReport(data["when"], steps)
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass
class _Probe:
    domain: str
    note: Callable[[str], None]
    keep: bool
    steps: list[Step] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)  # token -> queue id
    chain: Path = paths.TLS / "fullchain.pem"

    def all(self) -> None:
        """Make every step."""
        with ExitStack() as stack:
            me: Probing | None = None
            with self._step("account") as (said, speak):
                me = stack.enter_context(probing(self.domain))
                self._mend(me, speak)
                said.append(f"{me.address} can log in for a moment")
            if me is None:
                return
            try:
                self._mail(me)
            finally:
                with self._step("cleanup") as (said, _):
                    stack.close()
                    said.append("its password is gone again")

    def _mend(self, me: Probing, speak: talk.Talk) -> None:
        """Open INBOX until it opens: an index that a power cut damaged fails one session or two, and is made anew.

        Mail would be turned away by it for half a minute. What else is wrong is said by a later step.
        """
        for _ in range(3):
            damaged = suppress(OSError, imaplib.IMAP4.error, talk.Unexpected)
            with damaged, speak.imap(993, me.address, me.password):
                return

    def _mail(self, me: Probing) -> None:
        with self._step("refusals") as (said, speak):
            self._refusals(me, speak, said)
        incoming = secrets.token_hex(8)
        with self._step("port 25") as (said, speak), speak.smtp(25) as client:
            speak.starttls(client)
            message = talk.letter(STRANGER, me.address, incoming)
            self.sent[incoming] = talk.send(client, STRANGER, me.address, message)
            said.append("TLS, and a message from outside was taken")
        submitted = {587: secrets.token_hex(8), 465: secrets.token_hex(8)}
        for port, token in submitted.items():
            with self._step(f"port {port}") as (said, speak):
                self._submit(me, speak, port, token)
                said.append("login inside TLS only, and a message was taken")
        with self._step("imap 143") as (said, speak), speak.imap(143, me.address, me.password) as client:
            said.append("login inside TLS only")
            if incoming in self.sent:
                self._arrived(client, incoming)
                said.append("the message from outside is in INBOX")
        self._beside_imap(me, incoming)
        with self._step("imap 993") as (said, speak), speak.imap(993, me.address, me.password) as client:
            said.append("login")
            for port, token in submitted.items():
                if token in self.sent:
                    selector = signature.verified(self._arrived(client, token), self.domain, self._records())
                    said.append(f"the message of {port} arrived, its DKIM signature {selector} verifies")
            talk.clear(client)

    def _beside_imap(self, me: Probing, incoming: str) -> None:
        """Log in by POP3 and ManageSieve, where Dovecot serves them."""
        served = protocols()
        for port in (110, 995) if "pop3" in served else ():
            with (
                self._step(f"pop3 {port}") as (said, speak),
                speak.pop3(port, me.address, me.password) as pop,
            ):
                said.append("login inside TLS only" if port == 110 else "login")
                if incoming in self.sent:
                    if not pop3.holds(pop, incoming):
                        raise talk.Unexpected("expected the message from outside, found others or none")
                    said.append("the message from outside is there")
        if "sieve" in served:
            with (
                self._step("managesieve 4190") as (said, speak),
                speak.managesieve(4190, me.address, me.password) as sieve,
            ):
                sieve.check("keep;")
                said.append("login inside TLS only, and a script was compiled")

    def _refusals(self, me: Probing, speak: talk.Talk, said: list[str]) -> None:
        with speak.smtp(25) as client:
            for where in ("before TLS", "inside TLS"):
                if client.has_extn("auth"):
                    raise talk.Unexpected(f"expected no AUTH on port 25, found it offered {where}")
                if where == "before TLS":
                    speak.starttls(client)
            talk.expect(client.docmd("AUTH", "PLAIN AHgAeA=="), 5, "AUTH on port 25 to be refused")
            talk.expect(client.docmd("MAIL", f"FROM:<{STRANGER}>"), 250, "a sender from outside to be taken")
            talk.expect(client.docmd("RCPT", f"TO:<{ELSEWHERE}>"), 5, "relaying to be refused")
            said.append("port 25 offers no AUTH and does not relay")
            if me.catch_all:
                said.append(f"{self.domain} has a catch-all, so no address is unknown")
                return
            nobody = f"{secrets.token_hex(8)}@{self.domain}"
            text = talk.expect(
                client.docmd("RCPT", f"TO:<{nobody}>"), 550, "an unknown recipient to be refused"
            )
            if not text.startswith("5.1.1"):
                raise talk.Unexpected(f"expected 550 5.1.1 for an unknown recipient, found: 550 {text}")
            said.append("an unknown recipient is refused")

    def _submit(self, me: Probing, speak: talk.Talk, port: int, token: str) -> None:
        with speak.smtp(port) as client:
            if port == 587:
                if client.has_extn("auth"):
                    raise talk.Unexpected("expected no AUTH before TLS, found it offered")
                talk.expect(client.docmd("AUTH", "PLAIN AHgAeA=="), 5, "AUTH before TLS to be refused")
                speak.starttls(client)
            client.user, client.password = me.address, me.password
            talk.expect(client.auth("PLAIN", client.auth_plain), 235, "the login to be taken")
            message = talk.letter(me.address, me.address, token)
            self.sent[token] = talk.send(client, me.address, me.address, message)

    def _arrived(self, client: Imap | ImapTls, token: str) -> bytes:
        try:
            return talk.arrived(client, token)
        except talk.Unexpected as error:
            raise talk.Unexpected(f"{error}{self._log(self.sent[token])}") from None

    def _log(self, queue_id: str) -> str:
        """Return what Postfix logged last about a message, as the end of a sentence."""
        if not queue_id:
            return ""
        from posthouse.host import machine

        with suppress(PosthouseError, OSError):
            lines = log.about(machine.ground(), queue_id)
            if lines:
                return f"; the log says last: {lines[-1].process}: {lines[-1].text}"
        return f"; nothing is in the log about {queue_id}"

    def _records(self) -> dict[str, str]:
        from posthouse.dkim import keys

        return {f"{key.selector}._domainkey.{key.domain}": key.public_record for key in keys.all()}

    @contextmanager
    def _step(self, name: str) -> Iterator[tuple[list[str], talk.Talk]]:
        said: list[str] = []
        heard = Dialogue()
        begun = time.monotonic()
        problem = ""
        try:
            yield said, talk.Talk(heard, self.chain)
        except talk.Unexpected as error:
            problem = str(error)
        except PosthouseError as error:
            problem = str(error)
        except ConnectionRefusedError:
            problem = "expected a server to listen, found the port closed: `posthouse status` says what runs"
        except imaplib.IMAP4.error as error:
            answer = error.args[0] if error.args else error
            text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
            problem = f"expected the IMAP server to agree, found: {text}"
        except poplib.error_proto as error:
            problem = f"expected the POP3 server to agree, found: {pop3.text(error)}"
        except smtplib.SMTPResponseException as error:
            answer = error.smtp_error
            text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
            problem = f"expected the SMTP server to agree, found: {error.smtp_code} {text}"
        except (smtplib.SMTPException, OSError, EOFError) as error:
            problem = f"expected an answer, found: {type(error).__name__}: {error}"
        seconds = time.monotonic() - begun
        kept = tuple(heard.lines) if self.keep or problem else ()
        step = Step(name, not problem, problem or "; ".join(said), round(seconds, 3), kept)
        self.steps.append(step)
        self.note(f"probe, {name}: {'ok' if step.ok else 'FAILED'}: {step.detail}")
