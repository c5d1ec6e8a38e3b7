# What he then did by hand, with the files of `files/` in their places.
set -eu

# the store
groupadd --gid 5000 vmail
useradd --gid 5000 --uid 5000 --home-dir /var/mail --no-create-home --shell /usr/sbin/nologin vmail
mkdir -p /var/mail/vhosts/snorl.ax/mails
chown -R vmail:vmail /var/mail/vhosts

# the directory
su postgres -c 'psql -q -v ON_ERROR_STOP=1' < /root/mails.sql

# a certificate of the lab's own authority, in the places where certbot keeps one
mkdir -p /root/ca /etc/letsencrypt/archive/snorl.ax /etc/letsencrypt/live/snorl.ax /etc/letsencrypt/renewal \
    /etc/letsencrypt/renewal-hooks/deploy
chmod 700 /etc/letsencrypt/archive /etc/letsencrypt/live
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=Lab authority' \
    -keyout /root/ca/ca.key -out /root/ca/ca.pem 2>/dev/null
/root/certificate.sh 1
printf 'version = 2.1.0\narchive_dir = /etc/letsencrypt/archive/snorl.ax\n' > /etc/letsencrypt/renewal/snorl.ax.conf
for name in cert privkey chain fullchain; do
    printf '%s = /etc/letsencrypt/live/snorl.ax/%s.pem\n' $name $name >> /etc/letsencrypt/renewal/snorl.ax.conf
done

# OpenDKIM
mkdir -p /etc/opendkim/keys /var/spool/postfix/opendkim
(cd /etc/opendkim/keys && opendkim-genkey -b 2048 -d snorl.ax -s 202611 && mv 202611.private example.private)
chown -R opendkim:opendkim /etc/opendkim/keys
chown opendkim:postfix /var/spool/postfix/opendkim
chmod 2750 /var/spool/postfix/opendkim
adduser -q postfix opendkim

# Dovecot: no Unix users
sed -i 's/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf
sievec /etc/dovecot/sieve/default.sieve

postmap /etc/postfix/controlled_envelope_senders
newaliases
# Postfix first: Dovecot puts a socket into its spool.
for unit in unbound opendkim spamd postfix dovecot; do
    systemctl enable -q $unit
    systemctl restart $unit
done
