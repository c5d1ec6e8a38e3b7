"""The milter protocol, version 6, as bytes: packets taken apart and put together.

A packet is a length (4 bytes, network order, the command included), a command letter and its data. Sources:
Postfix's MILTER_README, and the documentation and `mfdef.h` of Sendmail's libmilter, which define the letters
and bits used here.
"""

from __future__ import annotations

import struct

VERSION = 6
MAX_PACKET = 1_048_576  # bytes; Postfix sends at most a header (header_size_limit, 102400) or 65535 of body

# Steps that we do not want to see, and replies that we do not send (SMFIP_*).
NO_CONNECT, NO_RCPT, NO_BODY, NO_EOH = 0x01, 0x08, 0x10, 0x40
NO_HEADER_REPLY, NO_UNKNOWN, NO_DATA = 0x80, 0x100, 0x200
LEADING_SPACE = 0x100000  # not a step: values of headers come, and are added, with what stands before them
STEPS = NO_CONNECT | NO_RCPT | NO_BODY | NO_EOH | NO_HEADER_REPLY | NO_UNKNOWN | NO_DATA

QUARANTINE = 0x20  # we may have a message held
SKIP_BODY = 0x400  # we may answer that we have seen enough of the body

# What we may do (SMFIF_*): add and change headers, change the envelope, choose our macros.
ADD_HEADERS, CHANGE_HEADERS, CHANGE_FROM, SET_MACROS = 0x01, 0x10, 0x40, 0x100
ADD_RECIPIENTS, DELETE_RECIPIENTS = 0x04, 0x08
ACTIONS = ADD_HEADERS | CHANGE_HEADERS | CHANGE_FROM | SET_MACROS
ON_RECIPIENTS = ADD_HEADERS | CHANGE_HEADERS | CHANGE_FROM | ADD_RECIPIENTS | DELETE_RECIPIENTS | SET_MACROS

# Stages whose macros we choose (SMFIM_*).
AT_HELO, AT_MAIL, AT_END = 1, 2, 5

OPTIONS, MACRO, HELO, MAIL, RECIPIENT, HEADER, END = b"O", b"D", b"H", b"M", b"R", b"L", b"E"
END_OF_HEADERS, BODY = b"N", b"B"
ABORT, QUIT, QUIT_BUT_STAY = b"A", b"Q", b"K"


class ProtocolError(ValueError):
    """The peer does not speak this protocol, or not this part of it; the connection ends."""


def packet(command: bytes, data: bytes = b"") -> bytes:
    """Return a packet ready to send."""
    return struct.pack("!I", len(data) + 1) + command + data


def options(data: bytes, macros: dict[int, str], unseen: int = STEPS, needed: int = ACTIONS) -> bytes:
    """Answer the MTA's offer (SMFIC_OPTNEG).

    `macros` are the wanted ones by stage, `unseen` the steps to spare us, `needed` what we may do.
    """
    if len(data) < 12:
        raise ProtocolError("the option packet is shorter than 12 bytes")
    version, actions, steps = struct.unpack("!III", data[:12])
    if version < VERSION or actions & needed != needed or steps & unseen != unseen:
        raise ProtocolError(
            f"the MTA offers milter version {version}, actions {actions:#x}, steps {steps:#x}; "
            f"needed are {VERSION}, {needed:#x}, {unseen:#x} (milter_protocol = 6 in main.cf)"
        )
    wanted = b"".join(struct.pack("!I", stage) + names.encode() + b"\0" for stage, names in macros.items())
    return packet(OPTIONS, struct.pack("!III", VERSION, needed, unseen) + wanted)


def strings(data: bytes) -> list[bytes]:
    """Return the strings of a packet, each of which ends with a NUL."""
    if data[-1:] != b"\0":
        raise ProtocolError("a string does not end")
    return data[:-1].split(b"\0")


def macros(data: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the command for which macros are sent, and the macros, names without braces."""
    if not data:
        raise ProtocolError("a macro packet is empty")
    items = strings(data[1:]) if len(data) > 1 else []
    if len(items) % 2:
        raise ProtocolError("a macro has no value")
    text = [item.decode("utf-8", "replace") for item in items]
    return data[:1], {name.strip("{}"): value for name, value in zip(text[::2], text[1::2], strict=True)}


def address(data: bytes) -> str:
    """Return the address of a MAIL or RCPT packet, without angle brackets."""
    return strings(data)[0].decode("utf-8", "replace").removeprefix("<").removesuffix(">")


def header(data: bytes) -> tuple[bytes, bytes]:
    """Return a header's name and value."""
    items = strings(data)
    if len(items) != 2:
        raise ProtocolError("a header packet has not exactly a name and a value")
    return items[0], items[1]


def go_on() -> bytes:
    """Continue with the next step; after the last one: take the message."""
    return packet(b"c")


def enough() -> bytes:
    """Continue, and spare us the rest of the body."""
    return packet(b"s")


def reply(code_and_text: str) -> bytes:
    """Answer the client with an SMTP reply, such as `550 5.7.1 Not yours`."""
    # % has a meaning of its own in some MTAs' replies.
    return packet(b"y", code_and_text.replace("%", "?").encode("ascii", "replace") + b"\0")


def hold(why: str) -> bytes:
    """Put the message on hold in the queue once it is taken (SMFIR_QUARANTINE)."""
    return packet(b"q", why.encode("ascii", "replace") + b"\0")


def delete_header(name: str, index: int) -> bytes:
    """Take away the index-th (from 1) header of this name that the filter has seen."""
    return packet(b"m", struct.pack("!I", index) + name.encode() + b"\0\0")


def insert_header(name: str, value: str) -> bytes:
    """Put a header before all others."""
    return packet(b"i", struct.pack("!I", 0) + name.encode() + b"\0" + value.encode() + b"\0")


def insert_raw(name: bytes, value: bytes) -> bytes:
    """Put a header before all others, where `LEADING_SPACE` was agreed: with all of its value, lines ended by CRLF."""
    return packet(b"i", struct.pack("!I", 0) + name + b"\0" + value.replace(b"\r\n", b"\n") + b"\0")


def change_sender(address: str) -> bytes:
    """Change the envelope sender."""
    return packet(b"e", f"<{address}>".encode() + b"\0")


def change_recipient(old: str, new: str) -> bytes:
    """Put one envelope recipient in the place of another."""
    return packet(b"-", f"<{old}>".encode() + b"\0") + packet(b"+", f"<{new}>".encode() + b"\0")
