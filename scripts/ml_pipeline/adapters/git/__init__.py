"""Git, the one way in: revisions, commits, checkouts."""
