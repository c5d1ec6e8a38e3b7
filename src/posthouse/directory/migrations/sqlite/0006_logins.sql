-- How an account may log in, beside its password: app passwords, a verifier for a mechanism, and when not at all.

-- 1: nobody logs in, whatever with, and nothing that the account submitted leaves; mail for it goes on coming.
ALTER TABLE users ADD COLUMN frozen INTEGER NOT NULL DEFAULT 0 CONSTRAINT "frozen: 0 or 1" CHECK (frozen IN (0, 1));

-- 1: the password itself is no login for mail programs, only app passwords are.
ALTER TABLE users ADD COLUMN apps_only INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "apps_only: 0 or 1" CHECK (apps_only IN (0, 1));

-- Raised above everybody's whenever the account's sessions are to end: one that began at a lower mark is over.
ALTER TABLE users ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0 CONSTRAINT "revoked: a mark" CHECK (revoked >= 0);
CREATE INDEX users_revoked ON users (revoked);

CREATE TABLE app_passwords (
    userid TEXT NOT NULL,
    name TEXT NOT NULL
        CONSTRAINT "name: up to 64 letters, digits, spaces and . _ - (Kim's phone: kim-phone)" CHECK (
            length(CAST(name AS BLOB)) = length(name) AND length(name) <= 64
            AND name GLOB '[A-Za-z0-9]*' AND name NOT GLOB '*[^A-Za-z0-9. _-]*' AND name NOT GLOB '* '),
    -- the SHA-256 of 128 random bits: nobody finds them by trying, so a costly hash would only cost
    digest TEXT NOT NULL
        CONSTRAINT "digest: a SHA-256 in lower case hexadecimal" CHECK (
            length(CAST(digest AS BLOB)) = 64 AND digest NOT GLOB '*[^0-9a-f]*'),
    imap INTEGER NOT NULL DEFAULT 1 CONSTRAINT "imap: 0 or 1" CHECK (imap IN (0, 1)),
    pop3 INTEGER NOT NULL DEFAULT 1 CONSTRAINT "pop3: 0 or 1" CHECK (pop3 IN (0, 1)),
    smtp INTEGER NOT NULL DEFAULT 1 CONSTRAINT "smtp: 0 or 1" CHECK (smtp IN (0, 1)),
    sieve INTEGER NOT NULL DEFAULT 1 CONSTRAINT "sieve: 0 or 1" CHECK (sieve IN (0, 1)),
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_used TEXT,
    last_address TEXT,
    PRIMARY KEY (userid, name)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX app_passwords_digest ON app_passwords (userid, digest);

-- What a mechanism other than PLAIN and LOGIN needs of a password; goes when the password changes.
CREATE TABLE verifiers (
    userid TEXT NOT NULL,
    mechanism TEXT NOT NULL
        CONSTRAINT "mechanism: SCRAM-SHA-256 or CRAM-MD5" CHECK (mechanism IN ('SCRAM-SHA-256', 'CRAM-MD5')),
    verifier TEXT NOT NULL
        CONSTRAINT "verifier: {MECHANISM}value, printable, without spaces" CHECK (
            length(CAST(verifier AS BLOB)) = length(verifier) AND length(verifier) <= 1024
            AND verifier NOT GLOB '*[^!-~]*'
            AND substr(verifier, 1, length(mechanism) + 2) = '{' || mechanism || '}'),
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (userid, mechanism)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER app_passwords_insert BEFORE INSERT ON app_passwords BEGIN
    SELECT RAISE(ABORT, 'userid: no such account') WHERE NOT EXISTS (SELECT 1 FROM users WHERE userid = NEW.userid);
END;

CREATE TRIGGER app_passwords_update BEFORE UPDATE OF userid, name, digest ON app_passwords BEGIN
    SELECT RAISE(ABORT, 'app_passwords: delete the row and insert the new one');
END;

-- What was logged in by it must not go on.
CREATE TRIGGER app_passwords_narrowed AFTER UPDATE OF imap, pop3, smtp, sieve ON app_passwords BEGIN
    UPDATE users SET revoked = (SELECT max(revoked) FROM users) + 1 WHERE userid = OLD.userid;
END;

CREATE TRIGGER app_passwords_delete AFTER DELETE ON app_passwords BEGIN
    UPDATE users SET revoked = (SELECT max(revoked) FROM users) + 1 WHERE userid = OLD.userid;
END;

CREATE TRIGGER verifiers_insert BEFORE INSERT ON verifiers BEGIN
    SELECT RAISE(ABORT, 'userid: no such account') WHERE NOT EXISTS (SELECT 1 FROM users WHERE userid = NEW.userid);
END;

CREATE TRIGGER users_password AFTER UPDATE OF password ON users WHEN NEW.password IS NOT OLD.password BEGIN
    DELETE FROM verifiers WHERE userid = OLD.userid;
END;

CREATE TRIGGER users_delete_logins AFTER DELETE ON users BEGIN
    DELETE FROM app_passwords WHERE userid = OLD.userid;
    DELETE FROM verifiers WHERE userid = OLD.userid;
END;
