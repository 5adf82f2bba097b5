"""What is looked after without being asked: missed events, webhooks, what wants a person, who is told."""
