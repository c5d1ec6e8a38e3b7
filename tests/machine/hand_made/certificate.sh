#!/bin/sh
# certificate.sh N: issue the Nth certificate and make it the live one, as certbot does.
set -eu
cd /etc/letsencrypt/archive/snorl.ax
printf 'subjectAltName=DNS:mail.snorl.ax,DNS:snorl.ax\n' > /root/ca/names
openssl req -newkey rsa:2048 -nodes -subj '/CN=mail.snorl.ax' -keyout "privkey$1.pem" -out /root/ca/request 2>/dev/null
openssl x509 -req -days 90 -in /root/ca/request -CA /root/ca/ca.pem -CAkey /root/ca/ca.key -CAcreateserial \
    -extfile /root/ca/names -out "cert$1.pem" 2>/dev/null
cp /root/ca/ca.pem "chain$1.pem"
cat "cert$1.pem" "chain$1.pem" > "fullchain$1.pem"
chmod 600 "privkey$1.pem"
for name in cert privkey chain fullchain; do
    ln -sfn "../../archive/snorl.ax/$name$1.pem" "/etc/letsencrypt/live/snorl.ax/$name.pem"
done
