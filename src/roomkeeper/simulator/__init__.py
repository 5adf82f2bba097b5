"""A pretend DocSpace portal, for trying automations and for tests.

It imitates the server as its source code has it, faults included, and shares no code with the product:
whoever uses it talks HTTP. `control` adds routes under /_sim/ that no real portal has: people, faults, a journal.
"""
