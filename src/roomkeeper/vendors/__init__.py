"""What helpdesks and CRMs have in common: how they are called and trusted, their deals, the notes written there."""
