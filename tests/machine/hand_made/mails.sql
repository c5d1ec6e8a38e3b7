CREATE DATABASE mails;
\connect mails
CREATE TABLE transport (
    domain varchar(128) PRIMARY KEY,
    transport varchar(128) NOT NULL
);
CREATE TABLE users (
    userid varchar(128) PRIMARY KEY,
    password varchar(128),
    realname varchar(128),
    uid integer NOT NULL,
    gid integer NOT NULL,
    home varchar(128),
    mail varchar(255)
);
CREATE TABLE virtual (
    address varchar(255) PRIMARY KEY,
    userid varchar(255) NOT NULL
);
CREATE VIEW postfix_mailboxes AS
    SELECT userid, home || '/' AS mailbox FROM users
    UNION ALL SELECT domain AS userid, 'dummy' AS mailbox FROM transport;
CREATE VIEW postfix_virtual AS
    SELECT userid, userid AS address FROM users
    UNION ALL SELECT userid, address FROM virtual;
CREATE USER mailreader PASSWORD 'secret';
CREATE USER mailwriter PASSWORD 'secret';
GRANT SELECT ON transport, users, virtual, postfix_mailboxes, postfix_virtual TO mailreader;
GRANT SELECT, INSERT, UPDATE, DELETE ON transport, users, virtual TO mailwriter;
GRANT SELECT ON postfix_mailboxes, postfix_virtual TO mailwriter;
INSERT INTO transport VALUES ('snorl.ax', 'virtual:');
