-- 1 while a mailbox is carried over to another format: Dovecot answers "temporary error" for the account meanwhile.

ALTER TABLE users
    ADD COLUMN closed integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT "closed: 0 or 1" CHECK (closed IN (0, 1));
