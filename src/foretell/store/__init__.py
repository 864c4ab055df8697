"""The working copy of a snapshot, encoded once."""
