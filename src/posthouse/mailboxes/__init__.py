"""Where mailboxes lie on the disk, in which format, and how one is carried over to the other format."""
