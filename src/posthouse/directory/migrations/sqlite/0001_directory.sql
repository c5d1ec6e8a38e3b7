-- The directory: who has mail here. A contract: Postfix and Dovecot read these tables, and plain SQL may write them.
--
-- The first columns of each table, in this order, are the ones of every such directory; all others have defaults.
-- Nothing that can be stored names a path outside the store, a command, another system user, or another delivery
-- agent. Constraint names are what whoever writes plain SQL gets to read. Foreign keys are triggers, since SQLite's
-- own are off unless each connection asks for them.

CREATE TABLE transport (
    domain TEXT PRIMARY KEY NOT NULL
        CONSTRAINT "domain: lower case letters, digits, hyphens and at least one dot (snorl.ax)" CHECK (
            length(CAST(domain AS BLOB)) = length(domain) AND length(domain) <= 253
            AND domain GLOB '[a-z0-9]*.*[a-z0-9]' AND domain GLOB '*[a-z]*'
            AND domain NOT GLOB '*[^a-z0-9.-]*'
            AND domain NOT GLOB '*..*' AND domain NOT GLOB '*.-*' AND domain NOT GLOB '*-.*'
            AND domain <> 'localhost' AND domain NOT GLOB 'localhost.*' AND domain NOT GLOB '*.localhost'),
    transport TEXT NOT NULL DEFAULT 'virtual:'
        CONSTRAINT "transport: only virtual: (our own store)" CHECK (transport = 'virtual:'),
    active INTEGER NOT NULL DEFAULT 1 CONSTRAINT "active: 0 or 1" CHECK (active IN (0, 1)),
    alias_of TEXT CONSTRAINT "alias_of: another domain" CHECK (alias_of <> domain),
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;

CREATE TABLE users (
    userid TEXT PRIMARY KEY NOT NULL
        CONSTRAINT "userid: user@domain, lower case letters, digits, and . _ - inside the user" CHECK (
            length(CAST(userid AS BLOB)) = length(userid) AND length(userid) <= 254
            AND userid GLOB '[a-z0-9_]*@?*' AND userid NOT GLOB '*@*@*' AND instr(userid, '@') <= 65
            AND userid NOT GLOB '*[^a-z0-9.@_-]*' AND userid NOT GLOB '*..*' AND userid NOT GLOB '*.@*'),
    password TEXT
        CONSTRAINT "password: {SCHEME}hash, printable, without spaces; NULL: no login" CHECK (
            length(CAST(password AS BLOB)) = length(password) AND length(password) BETWEEN 1 AND 1024
            AND password NOT GLOB '*[^!-~]*' AND (password GLOB '{?*}?*' OR password NOT GLOB '{*')),
    realname TEXT
        CONSTRAINT "realname: no control characters" CHECK (
            instr(realname, char(0)) = 0 AND length(realname) <= 255
            AND realname NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'),
    uid INTEGER NOT NULL DEFAULT 5000 CONSTRAINT "uid: only 5000" CHECK (uid = 5000),
    gid INTEGER NOT NULL DEFAULT 5000 CONSTRAINT "gid: only 5000" CHECK (gid = 5000),
    home TEXT
        CONSTRAINT "home: a path inside the store, like domain/mails/user; NULL: just that" CHECK (
            length(CAST(home AS BLOB)) = length(home) AND length(home) <= 400
            AND home GLOB '[a-z0-9_]*/*[a-z0-9._-]' AND home NOT GLOB '*[^a-z0-9._/-]*'
            AND home NOT GLOB '*/[^a-z0-9_]*'),
    mail TEXT
        CONSTRAINT "mail: no control characters" CHECK (
            instr(mail, char(0)) = 0 AND length(mail) <= 255
            AND mail NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'),
    active INTEGER NOT NULL DEFAULT 1 CONSTRAINT "active: 0 or 1" CHECK (active IN (0, 1)),
    quota INTEGER CONSTRAINT "quota: bytes, 0 for no limit, NULL for the site's" CHECK (quota >= 0),
    system INTEGER NOT NULL DEFAULT 0 CONSTRAINT "system: 0 or 1" CHECK (system IN (0, 1)),
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    domain TEXT GENERATED ALWAYS AS (substr(userid, instr(userid, '@') + 1)) VIRTUAL,
    path TEXT GENERATED ALWAYS AS (coalesce(home,
        substr(userid, instr(userid, '@') + 1) || '/mails/' || substr(userid, 1, instr(userid, '@') - 1))) VIRTUAL
) STRICT;

CREATE INDEX users_domain ON users (domain);
CREATE UNIQUE INDEX users_path ON users (path);  -- two accounts never share a Maildir

-- address -> userid: one row a target. address may be "@domain": the catch-all. userid may be a remote address.
CREATE TABLE virtual (
    address TEXT NOT NULL
        CONSTRAINT "address: user@domain or @domain, lower case letters, digits, and . _ + - inside the user" CHECK (
            length(CAST(address AS BLOB)) = length(address) AND length(address) <= 254
            AND (address GLOB '[a-z0-9_]*@?*' OR address GLOB '@?*')
            AND address NOT GLOB '*@*@*' AND instr(address, '@') <= 65
            AND address NOT GLOB '*[^a-z0-9.@_+-]*' AND address NOT GLOB '*..*' AND address NOT GLOB '*.@*'),
    userid TEXT NOT NULL
        CONSTRAINT "userid: one target user@domain in lower case" CHECK (
            length(CAST(userid AS BLOB)) = length(userid) AND length(userid) <= 254
            AND userid GLOB '[a-z0-9_]*@[a-z0-9]*.*[a-z0-9]' AND userid NOT GLOB '*@*@*'
            AND instr(userid, '@') <= 65 AND userid NOT GLOB '*[^a-z0-9.@_+=&~-]*' AND userid NOT GLOB '*..*'
            AND userid NOT GLOB '*.@*' AND userid NOT GLOB '*@*[^a-z0-9.-]*' AND userid GLOB '*@*[a-z]*'
            AND userid NOT GLOB '*@*.-*' AND userid NOT GLOB '*@*-.*'
            AND userid NOT GLOB '*@localhost.*' AND userid NOT GLOB '*.localhost'),
    active INTEGER NOT NULL DEFAULT 1 CONSTRAINT "active: 0 or 1" CHECK (active IN (0, 1)),
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    domain TEXT GENERATED ALWAYS AS (substr(address, instr(address, '@') + 1)) VIRTUAL,
    PRIMARY KEY (address, userid)
) STRICT, WITHOUT ROWID;

CREATE INDEX virtual_userid ON virtual (userid);
CREATE INDEX virtual_domain ON virtual (domain);

-- The login userid may send as address (or, "@domain", as every address of it) beside what it owns anyway.
CREATE TABLE grants (
    address TEXT NOT NULL
        CONSTRAINT "address: user@domain or @domain, lower case letters, digits, and . _ + - inside the user" CHECK (
            length(CAST(address AS BLOB)) = length(address) AND length(address) <= 254
            AND (address GLOB '[a-z0-9_]*@?*' OR address GLOB '@?*')
            AND address NOT GLOB '*@*@*' AND instr(address, '@') <= 65
            AND address NOT GLOB '*[^a-z0-9.@_+-]*' AND address NOT GLOB '*..*' AND address NOT GLOB '*.@*'),
    userid TEXT NOT NULL,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    domain TEXT GENERATED ALWAYS AS (substr(address, instr(address, '@') + 1)) VIRTUAL,
    PRIMARY KEY (address, userid)
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_userid ON grants (userid);
CREATE INDEX grants_domain ON grants (domain);

-- The views that a hand-made Postfix reads; ours reads the queries of directory/queries.py.
CREATE VIEW postfix_mailboxes (userid, mailbox) AS
    SELECT u.userid, u.path || '/' FROM users u JOIN transport t ON t.domain = u.domain WHERE u.active AND t.active
    UNION ALL
    SELECT domain, 'dummy' FROM transport WHERE active;

CREATE VIEW postfix_virtual (userid, address) AS
    SELECT u.userid, u.userid FROM users u JOIN transport t ON t.domain = u.domain WHERE u.active AND t.active
    UNION ALL
    SELECT v.userid, v.address FROM virtual v JOIN transport t ON t.domain = v.domain WHERE v.active AND t.active;

CREATE TRIGGER transport_alias_insert BEFORE INSERT ON transport WHEN NEW.alias_of IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'alias_of: no such domain, or it is itself an alias of another')
        WHERE NOT EXISTS (SELECT 1 FROM transport WHERE domain = NEW.alias_of AND alias_of IS NULL);
END;

CREATE TRIGGER transport_alias_update BEFORE UPDATE OF alias_of ON transport
WHEN NEW.alias_of IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'alias_of: no such domain, or it is itself an alias of another')
        WHERE NOT EXISTS (SELECT 1 FROM transport WHERE domain = NEW.alias_of AND alias_of IS NULL);
    SELECT RAISE(ABORT, 'alias_of: this domain has accounts, a catch-all or domain aliases of its own')
        WHERE EXISTS (SELECT 1 FROM users WHERE domain = NEW.domain)
           OR EXISTS (SELECT 1 FROM virtual WHERE address = '@' || NEW.domain)
           OR EXISTS (SELECT 1 FROM transport WHERE alias_of = NEW.domain);
END;

CREATE TRIGGER transport_rename BEFORE UPDATE OF domain ON transport WHEN NEW.domain <> OLD.domain BEGIN
    SELECT RAISE(ABORT, 'domain: a domain cannot be renamed; add the new one and remove the old');
END;

CREATE TRIGGER transport_delete BEFORE DELETE ON transport BEGIN
    SELECT RAISE(ABORT, 'domain: it still has accounts, aliases, grants or domain aliases; remove these first')
        WHERE EXISTS (SELECT 1 FROM users WHERE domain = OLD.domain)
           OR EXISTS (SELECT 1 FROM virtual WHERE domain = OLD.domain)
           OR EXISTS (SELECT 1 FROM grants WHERE domain = OLD.domain)
           OR EXISTS (SELECT 1 FROM transport WHERE alias_of = OLD.domain);
END;

CREATE TRIGGER users_insert BEFORE INSERT ON users BEGIN
    SELECT RAISE(ABORT, 'userid: its domain is not in transport, or is only an alias of another domain')
        WHERE NOT EXISTS (SELECT 1 FROM transport
            WHERE domain = substr(NEW.userid, instr(NEW.userid, '@') + 1) AND alias_of IS NULL);
END;

CREATE TRIGGER users_rename BEFORE UPDATE OF userid ON users WHEN NEW.userid <> OLD.userid BEGIN
    SELECT RAISE(ABORT, 'userid: an account cannot be renamed; add the new one and make the old address its alias');
END;

CREATE TRIGGER users_delete AFTER DELETE ON users BEGIN
    DELETE FROM grants WHERE userid = OLD.userid;
END;

CREATE TRIGGER virtual_insert BEFORE INSERT ON virtual BEGIN
    SELECT RAISE(ABORT, 'address: its domain is not in transport')
        WHERE NOT EXISTS (SELECT 1 FROM transport WHERE domain = substr(NEW.address, instr(NEW.address, '@') + 1));
    SELECT RAISE(ABORT, 'address: a domain alias takes the catch-all of its domain')
        WHERE NEW.address GLOB '@*'
          AND EXISTS (SELECT 1 FROM transport WHERE domain = substr(NEW.address, 2) AND alias_of IS NOT NULL);
    -- More would exceed Postfix's virtual_alias_expansion_limit, and defer the mail for ever.
    SELECT RAISE(ABORT, 'address: it has 1000 targets already; use a mailing list program')
        WHERE (SELECT count(*) FROM virtual WHERE address = NEW.address) >= 1000;
END;

CREATE TRIGGER virtual_update BEFORE UPDATE OF address ON virtual WHEN NEW.address <> OLD.address BEGIN
    SELECT RAISE(ABORT, 'address: delete the row and insert the new one');
END;

CREATE TRIGGER grants_insert BEFORE INSERT ON grants BEGIN
    SELECT RAISE(ABORT, 'address: its domain is not in transport')
        WHERE NOT EXISTS (SELECT 1 FROM transport WHERE domain = substr(NEW.address, instr(NEW.address, '@') + 1));
    SELECT RAISE(ABORT, 'userid: no such account') WHERE NOT EXISTS (SELECT 1 FROM users WHERE userid = NEW.userid);
END;

CREATE TRIGGER grants_update BEFORE UPDATE ON grants BEGIN
    SELECT RAISE(ABORT, 'grants: delete the row and insert the new one');
END;
