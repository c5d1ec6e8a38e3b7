"""DKIM keys: made, listed, mapped to domains."""
