-- Logins at smart hosts. The password is sealed with a key that only root has (ops/sealed.py): whoever reads the
-- directory, and so a dump of it, does not have it.
CREATE TABLE relay_logins (
    -- the smart host's name, or the domain of a route
    name TEXT NOT NULL PRIMARY KEY
        CONSTRAINT "name: a host or domain, lower case" CHECK (
            length(CAST(name AS BLOB)) = length(name) AND length(name) BETWEEN 1 AND 253
            AND name NOT GLOB '*[^a-z0-9.-]*'),
    username TEXT NOT NULL
        CONSTRAINT "username: one line without a colon" CHECK (
            length(username) BETWEEN 1 AND 255 AND instr(username, ':') = 0
            AND instr(username, char(10)) = 0 AND instr(username, char(13)) = 0),
    sealed TEXT NOT NULL
        CONSTRAINT "sealed: by posthouse relay login set" CHECK (
            length(CAST(sealed AS BLOB)) = length(sealed) AND length(sealed) <= 4096
            AND sealed NOT GLOB '*[^!-~]*'),
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT, WITHOUT ROWID;
