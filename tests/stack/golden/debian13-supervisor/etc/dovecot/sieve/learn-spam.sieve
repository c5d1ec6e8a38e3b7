# Written by posthouse: Dovecot runs it for a message that a client moved or copied into Junk.
require ["copy", "environment", "imapsieve", "vnd.dovecot.imapsieve", "vnd.dovecot.pipe"];

# What is thrown away, or taken back from there, says nothing of what it is.
if environment :is "vnd.dovecot.mailbox-from" ["Trash", "Deleted Items", "Deleted Messages"] {
    stop;
}
pipe :copy "learn-spam";
