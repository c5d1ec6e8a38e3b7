# What an operator installed, with apt, one after the other.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
debconf-set-selections <<'ANSWERS'
postfix postfix/main_mailer_type select Internet Site
postfix postfix/mailname string snorl.ax
ANSWERS
apt-get install -yq --no-install-recommends postfix
apt-get install -yq --no-install-recommends postfix-pgsql dovecot-core dovecot-imapd dovecot-pop3d \
    dovecot-sieve dovecot-pgsql postgresql opendkim opendkim-tools spamassassin spamd spamc \
    postfix-policyd-spf-python unbound mailutils ca-certificates openssl
