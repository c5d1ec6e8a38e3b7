-- home may also be absolute, inside the store: /var/mail/vhosts/domain/mails/user is the same as domain/mails/user.
--
-- SQLite cannot change a CHECK, so the table is made anew around its rows. What refers to it (views, triggers of other
-- tables) does so by its name.

CREATE TEMP TABLE kept_users AS
    SELECT userid, password, realname, uid, gid, home, mail, active, quota, system, created FROM main.users;

DROP TABLE main.users;

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
            AND (home GLOB '[a-z0-9_]*/*[a-z0-9._-]' OR home GLOB '/var/mail/vhosts/[a-z0-9_]*/*[a-z0-9._-]')
            AND home NOT GLOB '*[^a-z0-9._/-]*' AND substr(home, 2) NOT GLOB '*/[^a-z0-9_]*'),
    mail TEXT
        CONSTRAINT "mail: no control characters" CHECK (
            instr(mail, char(0)) = 0 AND length(mail) <= 255
            AND mail NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'),
    active INTEGER NOT NULL DEFAULT 1 CONSTRAINT "active: 0 or 1" CHECK (active IN (0, 1)),
    quota INTEGER CONSTRAINT "quota: bytes, 0 for no limit, NULL for the site's" CHECK (quota >= 0),
    system INTEGER NOT NULL DEFAULT 0 CONSTRAINT "system: 0 or 1" CHECK (system IN (0, 1)),
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    domain TEXT GENERATED ALWAYS AS (substr(userid, instr(userid, '@') + 1)) VIRTUAL,
    path TEXT GENERATED ALWAYS AS (CASE
        WHEN home IS NULL
            THEN substr(userid, instr(userid, '@') + 1) || '/mails/' || substr(userid, 1, instr(userid, '@') - 1)
        WHEN substr(home, 1, 17) = '/var/mail/vhosts/' THEN substr(home, 18)
        ELSE home END) VIRTUAL
) STRICT;

INSERT INTO users (userid, password, realname, uid, gid, home, mail, active, quota, system, created)
    SELECT userid, password, realname, uid, gid, home, mail, active, quota, system, created FROM kept_users;

DROP TABLE kept_users;

CREATE INDEX users_domain ON users (domain);
CREATE UNIQUE INDEX users_path ON users (path);  -- two accounts never share a Maildir

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
