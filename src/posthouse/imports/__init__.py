"""Taking in what was elsewhere: accounts from files, mail from servers and files.

`people` is what a list of accounts comes to; `csv_file` and `passwd_file` read one; `accounts` compares it with the
directory, shows what would happen, and does it in one transaction.
"""
