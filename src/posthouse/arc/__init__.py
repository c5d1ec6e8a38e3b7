"""Seals of what is forwarded: the Authenticated Received Chain (RFC 8617). Nothing here does I/O."""
