"""What can be measured and traced."""
