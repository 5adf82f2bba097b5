"""The product put together: as one process, or as several with a part each."""
