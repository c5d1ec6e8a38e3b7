"""A certificate from an authority by ACME (RFC 8555): looked at first, ordered by certbot, with few tries a day."""
