"""What is kept, and for how long: the database, its tables, alerts and actions."""
