"""What `[relay]` may say, and what is said of the rest."""

from __future__ import annotations

import pytest

from posthouse.site.load import check

HEAD = 'domain = "snorl.ax"\nhostname = "mail.snorl.ax"\npostmaster = "user@snorl.ax"\n'
PASSWORD = 'password_file = "/etc/posthouse/p"\n'


@pytest.mark.parametrize(
    ("text", "server", "login"),
    [
        ("", None, None),
        ('[relay]\nhost = "smtp.example.org"\n', "smtp.example.org", None),
        (
            f'[relay]\nprovider = "ses"\nregion = "eu-west-1"\nusername = "A"\n{PASSWORD}',
            "email-smtp.eu-west-1.amazonaws.com",
            "A",
        ),
        (f'[relay]\nprovider = "sendgrid"\n{PASSWORD}', "smtp.sendgrid.net", "apikey"),
        ('[relay]\nprovider = "sendgrid"\ncredentials = "directory"\n', "smtp.sendgrid.net", None),
    ],
)
def test_presets(text: str, server: str | None, login: str | None) -> None:
    site, problems = check(HEAD + text)
    assert site is not None, problems
    assert (site.relay.server, site.relay.login) == (server, login)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[relay]\nport = 465\n", "neither host nor provider"),
        ('[relay]\nhost = "smtp.example.org"\nusername = "A"\n', "belong together"),
        (f'[relay]\nhost = "smtp.example.org"\n{PASSWORD}', "belong together"),
        ('[relay]\nprovider = "sendgrid"\n', "belong together"),
        (f'[relay]\nhost = "smtp.example.org"\ncredentials = "directory"\n{PASSWORD}', "take username"),
        ('[relay]\ncredentials = "directory"\n', "neither host nor provider"),
        ('[relay]\nprovider = "ses"\n', "region"),
        ('[relay]\nprovider = "ses"\nregion = "Ireland"\n', "is not a region"),
        ('[relay]\nhost = "mail.snorl.ax"\n', "its own smart host"),
        ('[relay]\nhost = "smtp.example.org"\nusername = "a:b"\n', "no colon"),
        ('[[relay.route]]\nhost = "smtp.example.org"\n', "either from or to"),
        ('[[relay.route]]\nto = "a.example"\n', "neither host nor provider"),
        ('[[relay.route]]\nto = "snorl.ax"\nhost = "smtp.example.org"\n', "is here"),
        ('[[relay.route]]\nto = "a.example"\nhost = "smtp.example.org"\n' * 2, "two routes"),
        ('[[relay.route]]\nform = "a.example"\nhost = "smtp.example.org"\n', "did you mean 'from'"),
        ('[relay]\nhost = "smtp.example.org"\nspf = "all"\n', "include:"),
        ('[[outgoing.destination]]\ndomain = "a.example"\ntls = "may"\n' * 2, "twice"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, said: str) -> None:
    site, problems = check(HEAD + text)
    assert site is None
    assert said in " ".join(problem.message for problem in problems)
    assert all(problem.line for problem in problems)
