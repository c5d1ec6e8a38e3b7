-- Logins at smart hosts. The password is sealed with a key that only root has (ops/sealed.py): whoever reads the
-- directory, and so a dump of it, does not have it.
CREATE TABLE relay_logins (
    -- the smart host's name, or the domain of a route
    name text COLLATE "C" NOT NULL,
    username text COLLATE "C" NOT NULL,
    sealed text COLLATE "C" NOT NULL,
    created text COLLATE "C" NOT NULL DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
    CONSTRAINT "name: it has a login already" PRIMARY KEY (name),
    CONSTRAINT "name: a host or domain, lower case" CHECK (octet_length(name) <= 253 AND name ~ '^[a-z0-9.-]+$'),
    CONSTRAINT "username: one line without a colon" CHECK (
        length(username) <= 255 AND username ~ '^[^:\n\r]+$'),
    CONSTRAINT "sealed: by posthouse relay login set" CHECK (octet_length(sealed) <= 4096 AND sealed ~ '^[!-~]+$')
);
