-- How an account may log in, beside its password: app passwords, a verifier for a mechanism, and when not at all.

ALTER TABLE users
    -- 1: nobody logs in, whatever with, and nothing that the account submitted leaves; mail for it goes on coming
    ADD COLUMN frozen integer NOT NULL DEFAULT 0,
    -- 1: the password itself is no login for mail programs, only app passwords are
    ADD COLUMN apps_only integer NOT NULL DEFAULT 0,
    -- raised above everybody's whenever the account's sessions are to end: one that began at a lower mark is over
    ADD COLUMN revoked bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT "frozen: 0 or 1" CHECK (frozen IN (0, 1)),
    ADD CONSTRAINT "apps_only: 0 or 1" CHECK (apps_only IN (0, 1)),
    ADD CONSTRAINT "revoked: a mark" CHECK (revoked >= 0);

CREATE INDEX users_revoked ON users (revoked);

CREATE TABLE app_passwords (
    userid text COLLATE "C" NOT NULL CONSTRAINT "userid: no such account" REFERENCES users (userid) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    -- the SHA-256 of 128 random bits: nobody finds them by trying, so a costly hash would only cost
    digest text COLLATE "C" NOT NULL,
    imap integer NOT NULL DEFAULT 1 CONSTRAINT "imap: 0 or 1" CHECK (imap IN (0, 1)),
    pop3 integer NOT NULL DEFAULT 1 CONSTRAINT "pop3: 0 or 1" CHECK (pop3 IN (0, 1)),
    smtp integer NOT NULL DEFAULT 1 CONSTRAINT "smtp: 0 or 1" CHECK (smtp IN (0, 1)),
    sieve integer NOT NULL DEFAULT 1 CONSTRAINT "sieve: 0 or 1" CHECK (sieve IN (0, 1)),
    created text COLLATE "C" NOT NULL DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
    last_used text COLLATE "C",
    last_address text COLLATE "C",
    CONSTRAINT "name: this account has an app password of that name" PRIMARY KEY (userid, name),
    CONSTRAINT "name: up to 64 letters, digits, spaces and . _ -" CHECK (
        octet_length(name) <= 64 AND name ~ '^[A-Za-z0-9]([A-Za-z0-9. _-]*[A-Za-z0-9._-])?$'),
    CONSTRAINT "digest: a SHA-256 in lower case hexadecimal" CHECK (digest ~ '^[0-9a-f]{64}$'),
    CONSTRAINT "digest: it is here already" UNIQUE (userid, digest)
);

-- What a mechanism other than PLAIN and LOGIN needs of a password; goes when the password changes.
CREATE TABLE verifiers (
    userid text COLLATE "C" NOT NULL CONSTRAINT "userid: no such account" REFERENCES users (userid) ON DELETE CASCADE,
    mechanism text COLLATE "C" NOT NULL
        CONSTRAINT "mechanism: SCRAM-SHA-256 or CRAM-MD5" CHECK (mechanism IN ('SCRAM-SHA-256', 'CRAM-MD5')),
    verifier text COLLATE "C" NOT NULL,
    created text COLLATE "C" NOT NULL DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
    CONSTRAINT "mechanism: this account has a verifier for it" PRIMARY KEY (userid, mechanism),
    CONSTRAINT "verifier: {MECHANISM}value, printable, without spaces" CHECK (
        octet_length(verifier) <= 1024 AND verifier ~ '^[!-~]+$'
        AND substr(verifier, 1, length(mechanism) + 2) = '{' || mechanism || '}')
);

CREATE FUNCTION posthouse_app_passwords() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF (NEW.userid, NEW.name, NEW.digest) IS DISTINCT FROM (OLD.userid, OLD.name, OLD.digest) THEN
        RAISE EXCEPTION 'app_passwords: delete the row and insert the new one' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

-- What was logged in by it must not go on. One after the other, so that each mark is above all that anybody has seen.
CREATE FUNCTION posthouse_revoked() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('posthouse_revoked'));
    UPDATE public.users SET revoked = (SELECT max(revoked) FROM public.users) + 1 WHERE userid = OLD.userid;
    RETURN NULL;
END $$;

-- By whoever changes a password, who need not have a right to the verifiers.
CREATE FUNCTION posthouse_password() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    DELETE FROM public.verifiers WHERE userid = OLD.userid;
    RETURN NULL;
END $$;

CREATE TRIGGER posthouse_rules BEFORE UPDATE ON app_passwords
    FOR EACH ROW EXECUTE FUNCTION posthouse_app_passwords();
CREATE TRIGGER posthouse_narrowed AFTER UPDATE OF imap, pop3, smtp, sieve ON app_passwords
    FOR EACH ROW EXECUTE FUNCTION posthouse_revoked();
CREATE TRIGGER posthouse_revoked AFTER DELETE ON app_passwords
    FOR EACH ROW EXECUTE FUNCTION posthouse_revoked();
CREATE TRIGGER posthouse_password AFTER UPDATE OF password ON users
    FOR EACH ROW WHEN (NEW.password IS DISTINCT FROM OLD.password) EXECUTE FUNCTION posthouse_password();
