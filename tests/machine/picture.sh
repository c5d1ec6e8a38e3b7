# A picture of a machine, line by line: packages, users, groups, files with owner and mode, what is in /etc, units.
set -eu
export LC_ALL=C
dpkg-query -W -f 'package ${Package}:${Architecture} ${db:Status-Abbrev}\n'
apt-mark showmanual | sed 's/^/manual /'
sed 's/^/user /' /etc/passwd
sed 's/^/group /' /etc/group
find /etc /usr/local /opt /srv /root /home /var/spool /var/mail /var/log /var/lib /var/cache /run -xdev \
    \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache/apt -o -path /run/systemd -o -path /run/udev \
    -o -path /var/log/journal -o -path /run/log -o -path /root/posthouse\* \) -prune \
    -o -printf 'file %p %y %m %u:%g %l\n'
find /etc -xdev -type f -exec sha256sum {} + | sed 's/^/content /'
[ ! -d /run/systemd/system ] || systemctl list-unit-files --no-legend --no-pager | sed 's/^/unit /'
