"""Names of the documentation, for the tests of the directory."""

from __future__ import annotations

from posthouse.directory import queries

NAMES = queries.Names("user@snorl.ax", "dmarc-reports", ("mail.snorl.ax", "localhost", "localhost.snorl.ax"))
PEOPLE = """
INSERT INTO transport (domain, transport) VALUES ('snorl.ax', 'virtual:'), ('b.example', 'virtual:');
INSERT INTO transport (domain, alias_of) VALUES ('twin.example', 'snorl.ax');
INSERT INTO users (userid, password) VALUES ('user@snorl.ax', '{PLAIN}x'), ('user2@snorl.ax', '{PLAIN}y'),
    ('b@b.example', NULL);
INSERT INTO users (userid, active) VALUES ('off@snorl.ax', 0);
INSERT INTO virtual (address, userid) VALUES ('kim@snorl.ax', 'user@snorl.ax');
"""
