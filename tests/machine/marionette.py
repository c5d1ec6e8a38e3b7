"""Marionette, by which Mozilla's programs are driven: `LENGTH:[type, id, name, parameters]` in JSON, by TCP.

Source: https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
"""

from __future__ import annotations

import base64
import json
import socket
from typing import Any

from posthouse.lab import Machine, netns

PORT = 2828
SECONDS = 150  # that a script may take


class Failed(AssertionError):
    """The program says that a command failed."""


class Marionette:
    """A session with the program on a machine, in its own window ("chrome"). OSError where it does not listen."""

    def __init__(self, machine: Machine) -> None:
        with netns.entered(machine.namespace):
            self._socket = socket.create_connection(("127.0.0.1", PORT), SECONDS + 30)
        self._said = self._socket.makefile("rb")
        self._number = 0
        self._message()  # it says first who it is
        self.command("WebDriver:NewSession")
        self.command("WebDriver:SetTimeouts", script=SECONDS * 1000)
        self.command("Marionette:SetContext", value="chrome")

    def _message(self) -> Any:
        digits = b""
        while (one := self._said.read(1)) != b":":
            if not one:
                raise Failed("the program has gone")
            digits += one
        return json.loads(self._said.read(int(digits)))

    def command(self, name: str, **parameters: object) -> Any:
        """Give a command and return its value; Failed where there is none."""
        self._number += 1
        text = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self._message()
        if error:
            raise Failed(f"{name}: {error['message']}")
        return result.get("value") if isinstance(result, dict) else result

    def script(self, body: str, *given: object) -> Any:
        """Run the body of an asynchronous function, which has `given`, and return what it returns; Failed: it threw."""
        text = (
            "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);"
            f"(async () => {{\n{body}\n}})()"
            ".then((value) => done({ value }), (error) => done({ error: `${error}\\n${error.stack}` }));"
        )
        answer = self.command("WebDriver:ExecuteAsyncScript", script=text, args=given, sandbox="system")
        if "error" in answer:
            raise Failed(answer["error"])
        return answer.get("value")

    def screenshot(self) -> bytes:
        """The window, as a PNG file."""
        return base64.b64decode(self.command("WebDriver:TakeScreenshot", full=True))

    def close(self) -> None:
        """Let go of it."""
        self._said.close()
        self._socket.close()
