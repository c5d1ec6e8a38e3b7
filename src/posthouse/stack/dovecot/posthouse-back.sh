#!/bin/sh
# Written by posthouse. Run as Dovecot's own user when a lost PostgreSQL of another machine is back: `auth` waits for up
# to half an hour between its attempts to connect, and the one that Dovecot starts in its place connects at once.
for process in /proc/[0-9]*; do
    read -r name 2>/dev/null <"$process/comm" || continue
    [ "$name" = auth ] && kill -TERM "${process#/proc/}" 2>/dev/null
done
# What was told to wait is delivered now. Once more a little later: whoever still asked the old `auth` said "later".
for seconds in 2 3 5 10; do
    sleep "$seconds"
    /usr/sbin/postqueue -f
done >/dev/null 2>&1
exit 0
