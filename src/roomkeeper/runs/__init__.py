"""Durable execution: from a delivery that was kept to an effect that was verified.

Meets the connectors only through the catalogue it is given.
"""
