-- In which format an account's mail is stored. Every account has its own, so that no setting can make a mailbox
-- look empty. NULL is maildir: all accounts from before this column, and those that plain SQL makes without it.

ALTER TABLE users
    ADD COLUMN format text COLLATE "C",
    -- when the mail was last carried over to this format
    ADD COLUMN converted text COLLATE "C",
    ADD CONSTRAINT "format: maildir or mdbox; NULL: maildir" CHECK (format IN ('maildir', 'mdbox'));

CREATE FUNCTION posthouse_format() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    IF coalesce(NEW.format, 'maildir') <> coalesce(OLD.format, 'maildir')
        AND NEW.converted IS NOT DISTINCT FROM OLD.converted THEN
        RAISE EXCEPTION 'format: the mail must be carried over with it; say: posthouse mailbox convert'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER posthouse_format BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION posthouse_format();
