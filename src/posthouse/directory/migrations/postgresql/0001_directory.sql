-- The directory: who has mail here. A contract: Postfix and Dovecot read these tables, and plain SQL may write them.
--
-- The same as SQLite's (migrations/sqlite), in PostgreSQL's words: the first columns of each table, in this order, are
-- the ones of every such directory; all others have defaults. Nothing that can be stored names a path outside the
-- store, a command, another system user, or another delivery agent. Constraint names are what whoever writes plain
-- SQL gets to read (at most 63 bytes). Text compares by its bytes, whatever the cluster's locale.
--
-- Tables that stand here already keep their rows: they get what they lack, and a row that is not safe stops it all.

-- What the queries cast their keys to: compared and lowered as bytes (spelled without the quotes of "C").
CREATE DOMAIN posthouse_key AS text COLLATE "C";

DROP VIEW IF EXISTS postfix_mailboxes;
DROP VIEW IF EXISTS postfix_virtual;

CREATE TABLE IF NOT EXISTS transport (domain text, transport text);
CREATE TABLE IF NOT EXISTS users (
    userid text, password text, realname text, uid integer, gid integer, home text, mail text);
CREATE TABLE IF NOT EXISTS virtual (address text, userid text);

DO $$  -- a table from elsewhere has keys of its own
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT conrelid::regclass AS name, conname FROM pg_constraint
        WHERE conrelid IN ('public.transport'::regclass, 'public.users'::regclass, 'public.virtual'::regclass)
        ORDER BY contype = 'f' DESC
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', found.name, found.conname);
    END LOOP;
END $$;

ALTER TABLE transport
    ALTER COLUMN domain TYPE text COLLATE "C", ALTER COLUMN domain SET NOT NULL,
    ALTER COLUMN transport TYPE text COLLATE "C", ALTER COLUMN transport SET NOT NULL,
    ALTER COLUMN transport SET DEFAULT 'virtual:',
    ADD COLUMN active integer NOT NULL DEFAULT 1,
    ADD COLUMN alias_of text COLLATE "C",
    ADD COLUMN created text COLLATE "C" NOT NULL DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
    ADD CONSTRAINT "domain: it is here already" PRIMARY KEY (domain),
    ADD CONSTRAINT "domain: lower case letters, digits, hyphens, at least one dot" CHECK (
        octet_length(domain) <= 253 AND domain ~ '[a-z]'
        AND domain ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$'
        AND domain !~ '(^|\.)localhost$|^localhost\.'),
    ADD CONSTRAINT "transport: only virtual: (our own store)" CHECK (transport = 'virtual:'),
    ADD CONSTRAINT "active: 0 or 1" CHECK (active IN (0, 1)),
    ADD CONSTRAINT "alias_of: another domain" CHECK (alias_of <> domain),
    ADD CONSTRAINT "alias_of: must be a domain in transport" FOREIGN KEY (alias_of) REFERENCES transport (domain);

CREATE INDEX transport_alias_of ON transport (alias_of);

ALTER TABLE users
    ALTER COLUMN userid TYPE text COLLATE "C", ALTER COLUMN userid SET NOT NULL,
    ALTER COLUMN password TYPE text COLLATE "C",
    ALTER COLUMN realname TYPE text COLLATE "C",
    ALTER COLUMN uid TYPE integer, ALTER COLUMN uid SET NOT NULL, ALTER COLUMN uid SET DEFAULT 5000,
    ALTER COLUMN gid TYPE integer, ALTER COLUMN gid SET NOT NULL, ALTER COLUMN gid SET DEFAULT 5000,
    ALTER COLUMN home TYPE text COLLATE "C",
    ALTER COLUMN mail TYPE text COLLATE "C", ALTER COLUMN mail DROP NOT NULL,
    ADD COLUMN active integer NOT NULL DEFAULT 1,
    ADD COLUMN quota bigint,
    ADD COLUMN system integer NOT NULL DEFAULT 0,
    ADD COLUMN created text COLLATE "C" NOT NULL DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
    ADD COLUMN domain text COLLATE "C" GENERATED ALWAYS AS (substr(userid, strpos(userid, '@') + 1)) STORED,
    ADD COLUMN path text COLLATE "C" GENERATED ALWAYS AS (CASE
        WHEN home IS NULL
            THEN substr(userid, strpos(userid, '@') + 1) || '/mails/' || substr(userid, 1, strpos(userid, '@') - 1)
        WHEN substr(home, 1, 17) = '/var/mail/vhosts/' THEN substr(home, 18)
        ELSE home END) STORED,
    ADD CONSTRAINT "userid: it is here already" PRIMARY KEY (userid),
    ADD CONSTRAINT "userid: user@domain in lower case; letters, digits, . _ -" CHECK (
        octet_length(userid) <= 254 AND strpos(userid, '@') <= 65
        AND userid ~ '^[a-z0-9_][a-z0-9._-]*@[a-z0-9._-]+$' AND userid !~ '\.\.|\.@'),
    ADD CONSTRAINT "userid: its domain must be in transport" FOREIGN KEY (domain) REFERENCES transport (domain),
    ADD CONSTRAINT "password: {SCHEME}hash, printable, no spaces; NULL: no login" CHECK (
        octet_length(password) BETWEEN 1 AND 1024 AND password ~ '^[!-~]+$' AND password ~ '^([^{]|\{[^}]+\}.)'),
    ADD CONSTRAINT "realname: at most 255 signs, no control characters" CHECK (
        length(realname) <= 255 AND realname !~ '[\x01-\x1f\x7f]'),
    ADD CONSTRAINT "uid: only 5000" CHECK (uid = 5000),
    ADD CONSTRAINT "gid: only 5000" CHECK (gid = 5000),
    ADD CONSTRAINT "home: a path in the store like domain/mails/user; NULL: that" CHECK (
        octet_length(home) <= 400
        AND home ~ '^(/var/mail/vhosts/)?[a-z0-9_][a-z0-9._-]*(/[a-z0-9_][a-z0-9._-]*)+$'),
    ADD CONSTRAINT "home: another account has this Maildir" UNIQUE (path),
    ADD CONSTRAINT "mail: at most 255 signs, no control characters" CHECK (
        length(mail) <= 255 AND mail !~ '[\x01-\x1f\x7f]'),
    ADD CONSTRAINT "active: 0 or 1" CHECK (active IN (0, 1)),
    ADD CONSTRAINT "quota: bytes, 0 for no limit, NULL for the site's" CHECK (quota >= 0),
    ADD CONSTRAINT "system: 0 or 1" CHECK (system IN (0, 1));

CREATE INDEX users_domain ON users (domain, userid);

-- address -> userid: one row a target. address may be "@domain": the catch-all. userid may be a remote address.
ALTER TABLE virtual
    ALTER COLUMN address TYPE text COLLATE "C", ALTER COLUMN address SET NOT NULL,
    ALTER COLUMN userid TYPE text COLLATE "C", ALTER COLUMN userid SET NOT NULL,
    ADD COLUMN active integer NOT NULL DEFAULT 1,
    ADD COLUMN created text COLLATE "C" NOT NULL DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
    ADD COLUMN domain text COLLATE "C" GENERATED ALWAYS AS (substr(address, strpos(address, '@') + 1)) STORED,
    ADD CONSTRAINT "address: it has this target already" PRIMARY KEY (address, userid),
    ADD CONSTRAINT "address: user@domain or @domain; lower case, digits, . _ + -" CHECK (
        octet_length(address) <= 254 AND strpos(address, '@') <= 65
        AND address ~ '^([a-z0-9_][a-z0-9._+-]*)?@[a-z0-9._+-]+$' AND address !~ '\.\.|\.@'),
    ADD CONSTRAINT "address: its domain must be in transport" FOREIGN KEY (domain) REFERENCES transport (domain),
    ADD CONSTRAINT "userid: one target user@domain in lower case" CHECK (
        octet_length(userid) <= 254 AND strpos(userid, '@') <= 65
        AND userid ~ '^[a-z0-9_][a-z0-9._+=&~-]*@[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$'
        AND userid ~ '@.*[a-z]' AND userid !~ '\.\.|\.@|@localhost\.|\.localhost$'),
    ADD CONSTRAINT "active: 0 or 1" CHECK (active IN (0, 1));

CREATE INDEX virtual_userid ON virtual (userid);
CREATE INDEX virtual_domain ON virtual (domain);

-- The login userid may send as address (or, "@domain", as every address of it) beside what it owns anyway.
CREATE TABLE grants (
    address text COLLATE "C" NOT NULL,
    userid text COLLATE "C" NOT NULL CONSTRAINT "userid: no such account" REFERENCES users (userid) ON DELETE CASCADE,
    created text COLLATE "C" NOT NULL DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
    domain text COLLATE "C" GENERATED ALWAYS AS (substr(address, strpos(address, '@') + 1)) STORED
        CONSTRAINT "address: its domain must be in transport" REFERENCES transport (domain),
    CONSTRAINT "address: this account has the grant already" PRIMARY KEY (address, userid),
    CONSTRAINT "address: user@domain or @domain; lower case, digits, . _ + -" CHECK (
        octet_length(address) <= 254 AND strpos(address, '@') <= 65
        AND address ~ '^([a-z0-9_][a-z0-9._+-]*)?@[a-z0-9._+-]+$' AND address !~ '\.\.|\.@')
);

CREATE INDEX grants_userid ON grants (userid);
CREATE INDEX grants_domain ON grants (domain);

-- The views that a hand-made Postfix reads; ours reads the queries of directory/queries.py.
CREATE VIEW postfix_mailboxes (userid, mailbox) AS
    SELECT u.userid, u.path || '/' FROM users u JOIN transport t ON t.domain = u.domain
        WHERE u.active = 1 AND t.active = 1
    UNION ALL
    SELECT domain, 'dummy' FROM transport WHERE active = 1;

CREATE VIEW postfix_virtual (userid, address) AS
    SELECT u.userid, u.userid FROM users u JOIN transport t ON t.domain = u.domain WHERE u.active = 1 AND t.active = 1
    UNION ALL
    SELECT v.userid, v.address FROM virtual v JOIN transport t ON t.domain = v.domain
        WHERE v.active = 1 AND t.active = 1;

-- What a constraint cannot say. Each looks only at rows that it has locked, so that two writers cannot both be right.
-- No one's search_path matters, and no temporary table stands before these. A session keeps the plans that it made
-- when the tables were empty: those must not read whole tables for each of 100,000 rows that come then.

CREATE FUNCTION posthouse_transport() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT 1 FROM public.users WHERE domain = OLD.domain)
            OR EXISTS (SELECT 1 FROM public.virtual WHERE domain = OLD.domain)
            OR EXISTS (SELECT 1 FROM public.transport WHERE alias_of = OLD.domain) THEN
            RAISE EXCEPTION 'domain: it still has accounts, aliases, grants or domain aliases; remove these first'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.domain <> OLD.domain THEN
        RAISE EXCEPTION 'domain: a domain cannot be renamed; add the new one and remove the old'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.alias_of IS NULL OR (TG_OP = 'UPDATE' AND NEW.alias_of IS NOT DISTINCT FROM OLD.alias_of) THEN
        RETURN NEW;
    END IF;
    PERFORM 1 FROM public.transport WHERE domain = NEW.alias_of AND alias_of IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'alias_of: no such domain, or it is itself an alias of another'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND (EXISTS (SELECT 1 FROM public.users WHERE domain = NEW.domain)
            OR EXISTS (SELECT 1 FROM public.virtual WHERE address = '@' || NEW.domain)
            OR EXISTS (SELECT 1 FROM public.transport WHERE alias_of = NEW.domain)) THEN
        RAISE EXCEPTION 'alias_of: this domain has accounts, a catch-all or domain aliases of its own'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION posthouse_users() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.userid <> OLD.userid THEN
            RAISE EXCEPTION
                'userid: an account cannot be renamed; add the new one and make the old address its alias'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    PERFORM 1 FROM public.transport
        WHERE domain = substr(NEW.userid, strpos(NEW.userid, '@') + 1) AND alias_of IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'userid: its domain is not in transport, or is only an alias of another domain'
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION posthouse_virtual() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.address <> OLD.address THEN
            RAISE EXCEPTION 'address: delete the row and insert the new one' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.address LIKE '@%' THEN
        PERFORM 1 FROM public.transport WHERE domain = substr(NEW.address, 2) AND alias_of IS NULL FOR SHARE;
        IF NOT FOUND AND EXISTS (SELECT 1 FROM public.transport WHERE domain = substr(NEW.address, 2)) THEN
            RAISE EXCEPTION 'address: a domain alias takes the catch-all of its domain'
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    -- More would exceed Postfix's virtual_alias_expansion_limit, and defer the mail for ever.
    IF (SELECT count(*) FROM public.virtual WHERE address = NEW.address) >= 1000 THEN
        RAISE EXCEPTION 'address: it has 1000 targets already; use a mailing list program'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION posthouse_grants() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'grants: delete the row and insert the new one' USING ERRCODE = 'restrict_violation';
END $$;

-- Told to the agent, which makes the keys of new domains.
CREATE FUNCTION posthouse_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    NOTIFY posthouse_directory;
    RETURN NULL;
END $$;

CREATE TRIGGER posthouse_rules BEFORE INSERT OR UPDATE OR DELETE ON transport
    FOR EACH ROW EXECUTE FUNCTION posthouse_transport();
CREATE TRIGGER posthouse_rules BEFORE INSERT OR UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION posthouse_users();
CREATE TRIGGER posthouse_rules BEFORE INSERT OR UPDATE ON virtual
    FOR EACH ROW EXECUTE FUNCTION posthouse_virtual();
CREATE TRIGGER posthouse_rules BEFORE UPDATE ON grants
    FOR EACH ROW EXECUTE FUNCTION posthouse_grants();
CREATE TRIGGER posthouse_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON transport
    FOR EACH STATEMENT EXECUTE FUNCTION posthouse_changed();
