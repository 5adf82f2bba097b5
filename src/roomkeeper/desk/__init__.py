"""What people are shown, and what they can order."""
