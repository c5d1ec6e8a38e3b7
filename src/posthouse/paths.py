"""Where everything lives on the machine: one table, read by every other module."""

from __future__ import annotations

from pathlib import Path

ETC = Path("/etc/posthouse")
SITE_FILE = ETC / "posthouse.toml"
OVERRIDES = ETC / "overrides"

STATE = Path("/var/lib/posthouse")  # root:root 0755
ENGINE = STATE / "engine"  # root 0700: generations, journal, stage, lock
DIRECTORY = STATE / "directory"  # posthouse:posthouse-directory 2750
DIRECTORY_DB = DIRECTORY / "mails.sqlite"  # 0640; -wal and -shm beside it
DIRECTORY_BACK = DIRECTORY / "back"  # touched when a lost PostgreSQL is back: Postfix 3.7 watches back.db
DKIM = STATE / "dkim"  # posthouse:posthouse-dkim 2750: DOMAIN.SELECTOR.key 0640, selectors.map 0640
LOGINS = STATE / "logins"  # posthouse:dovecot 2750
LOGINS_PIPE = LOGINS / "told"  # a pipe: Dovecot tells the agent of logins
FROZEN = STATE / "frozen"  # root 0700: a file for each frozen account, with the mail that is held for it
SRS = STATE / "srs"  # posthouse 0700: secret, and senders.sqlite, those too long for a rewritten address
SENDING = STATE / "sending"  # posthouse 0700: who sent how much
WATCH = STATE / "watch"  # root 0700: what is banned
CONVERSIONS = STATE / "conversions"  # root 0700: a file for each mailbox that a conversion keeps closed
TLS = STATE / "tls"  # root 0700: fullchain.pem, privkey.pem (links to where they really are)
ACME = STATE / "acme"  # root 0700: certbot's account, the key of its certificates, what was tried when
RELAY = STATE / "relay"  # root 0700: a file for each login at a smart host, read by Postfix's smtp; key

PROGRAM = Path("/opt/posthouse")  # the program and its venv
COMMAND = Path("/usr/local/bin/posthouse")
RUN = Path("/run/posthouse")
IMPORTS = STATE / "imports"  # root 0700: what was brought where, one journal an account
LISTS = STATE / "lists.json"  # root 0644: which block lists answer wrongly
LISTS_OFF = Path("/etc/unbound/posthouse-lists.conf")  # the same, for unbound
LEARNED = STATE / "learned"  # root 0700: how far `posthouse spam learn` came, one file an account
LOG = Path("/var/log/posthouse")  # where PID 1 is not systemd: one file a daemon

STORE = Path("/var/mail/vhosts")  # vmail:vmail 0700: DOMAIN/mails/USER is the Maildir
MDBOX = Path("/var/mail/mdbox")  # vmail:vmail 0700: DOMAIN/mails/USER, for accounts in that format
SIEVE = Path("/var/mail/sieve")  # vmail:vmail 0700: DOMAIN/mails/USER: Sieve scripts, Dovecot's home
INDEXES = Path("/var/mail/indexes")  # vmail:vmail 0700: Dovecot's indexes, can be rebuilt

POSTFIX_SPOOL = Path("/var/spool/postfix")
POSTFIX_RESOLVER = POSTFIX_SPOOL / "etc/posthouse-resolv.conf"  # our unbound, for what is in the chroot
POSTFIX_RESOLV_CONF = (
    POSTFIX_SPOOL / "etc/resolv.conf"
)  # a link to it, which leads nowhere outside of the chroot
AGENT_MILTER = POSTFIX_SPOOL / "posthouse/milter.sock"  # directory posthouse:postfix 2750, socket 0660
AGENT_ROOM = AGENT_MILTER.with_name("room.sock")  # says whether the queue can take a message
AGENT_FORWARDING = AGENT_MILTER.with_name("forwarding.sock")  # the milter of what is forwarded
AGENT_SEALING = AGENT_MILTER.with_name("sealing.sock")  # the one that seals it, for the classic chain
AGENT_OUTGOING = AGENT_MILTER.with_name("outgoing.sock")  # the milter that holds what our users send as spam
AGENT_TLS = AGENT_MILTER.with_name("tls-policy.sock")  # how a domain is to be reached
MTA_STS = ("127.0.0.1", 8461)  # where postfix-mta-sts-resolver listens, which the agent asks for that
AGENT_SRS = AGENT_MILTER.with_name("srs.sock")  # says for whom a bounce to a rewritten sender is
NOTICES = (
    POSTFIX_SPOOL / "public/notices"
)  # Postfix takes mail to the postmaster there, for the group postdrop
RSPAMD_MILTER = POSTFIX_SPOOL / "rspamd/milter.sock"  # directory _rspamd:postfix 2750, socket 0660
RSPAMD_CONTROLLER = STATE / "rspamd/controller.sock"  # directory _rspamd:posthouse-learn 2750, socket 0660
LEARNING = STATE / "learning"  # posthouse-learn 0700: when the filter was silent
SASLAUTHD = POSTFIX_SPOOL / "saslauthd"  # postfix 0700: its socket, where the site chose Cyrus SASL
OPENDKIM_MILTER = POSTFIX_SPOOL / "opendkim/milter.sock"  # the classic chain: directories OWNER:postfix 2750
OPENDMARC_MILTER = POSTFIX_SPOOL / "opendmarc/milter.sock"
GATE_ENTRANCE = POSTFIX_SPOOL / "posthouse-gate/entrance.sock"
GATE_VERDICT = GATE_ENTRANCE.with_name("verdict.sock")
GATE_OUTGOING = GATE_ENTRANCE.with_name("outgoing.sock")  # has submitted mail judged
FAIL2BAN = Path("/run/fail2ban/fail2ban.sock")  # fail2ban's own, root's alone
SPAMD = Path("/run/posthouse-spamd/spamd.sock")  # directory debian-spamd:posthouse-learn 750, socket 0660
SPAMD_LEARNED = STATE / "spamassassin"  # debian-spamd 0700: what SpamAssassin learned
DOVECOT_BACK = Path("/run/dovecot/posthouse-back")  # a connection to it tells Dovecot the same

# users and groups
AGENT_USER = "posthouse"  # runs the agent, the only writer of the directory
DIRECTORY_GROUP = "posthouse-directory"  # may read the directory: postfix, Dovecot's auth services
LEARNING_USER = "posthouse-learn"  # what Dovecot hands moved mail to: may reach the filter, and nothing else
DKIM_GROUP = "posthouse-dkim"  # may read the keys: the filter that signs
GATE_USER = "posthouse-gate"  # runs the gate of the classic chain
WEB_USER = "posthouse-web"  # answers by HTTPS; may read nothing of the machine
STORE_USER = "vmail"  # uid and gid 5000: owns all mail
STORE_UID = 5000
