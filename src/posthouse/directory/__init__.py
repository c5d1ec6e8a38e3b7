"""Who has mail: domains, accounts, aliases and credentials in SQL."""
