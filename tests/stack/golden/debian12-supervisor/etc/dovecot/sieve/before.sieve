# Written by posthouse: runs before the user's own script. The filter marks spam with this header, and takes it
# away where it comes from outside.
require ["fileinto", "mailbox"];

if header :is "X-Spam" "Yes" {
    fileinto :create "Junk";
    stop;
}
