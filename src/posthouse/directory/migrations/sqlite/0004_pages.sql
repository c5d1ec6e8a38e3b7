-- Accounts are listed by domain and address, a page at a time: each page costs the same, however many there are.

DROP INDEX users_domain;
CREATE INDEX users_domain ON users (domain, userid);
