"""Work that goes on behind a request: kept in the store, run by threads, finished after a restart."""
