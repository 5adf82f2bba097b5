"""From a delivery to a run that waits its turn: kept, dispatched, parked."""
