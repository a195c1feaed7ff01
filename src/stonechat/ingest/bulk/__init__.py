"""Bodies of many events, read by compiled code; see native/bulk.h."""
