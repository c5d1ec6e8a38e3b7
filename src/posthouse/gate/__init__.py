"""The gate of the classic chain: two milters around OpenDKIM and OpenDMARC, before them and after them."""
