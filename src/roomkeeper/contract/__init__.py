"""What a connector is: what it reads, offers, finds, examines and proves."""
