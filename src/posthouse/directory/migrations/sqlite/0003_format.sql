-- In which format an account's mail is stored. Every account has its own, so that no setting can make a mailbox
-- look empty. NULL is maildir: all accounts from before this column, and those that plain SQL makes without it.

ALTER TABLE users ADD COLUMN format TEXT
    CONSTRAINT "format: maildir or mdbox; NULL: maildir" CHECK (format IN ('maildir', 'mdbox'));

-- When the mail was last carried over to this format.
ALTER TABLE users ADD COLUMN converted TEXT;

CREATE TRIGGER users_format BEFORE UPDATE OF format ON users
WHEN coalesce(NEW.format, 'maildir') <> coalesce(OLD.format, 'maildir') AND NEW.converted IS OLD.converted BEGIN
    SELECT RAISE(ABORT, 'format: the mail must be carried over with it; say: posthouse mailbox convert');
END;
