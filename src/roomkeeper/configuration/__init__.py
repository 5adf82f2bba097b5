"""The file: its sections, its checks, its schema."""
