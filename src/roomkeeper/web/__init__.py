"""What is seen from outside: the receiver of deliveries, the operator's desk, the API, metrics, health."""
