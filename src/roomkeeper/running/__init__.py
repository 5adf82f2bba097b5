"""Runs: whose turn it is, the steps one after another, what was done once, who is alive."""
