"""The primitives of `threading`, `queue` and `concurrent.futures`, as plain data and operations."""
