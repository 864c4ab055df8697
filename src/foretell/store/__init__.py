"""The private working copy of a snapshot, which engines and discovery stand on."""

from foretell.store.working import Store, StoredTable, load

__all__ = ["Store", "StoredTable", "load"]
