"""What became of everything that happened, and whether what is said to be done is there."""
