"""What runs: one application on an address, in one process or in several that are kept alive."""
