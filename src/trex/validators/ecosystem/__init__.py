"""What people did within the ecosystem: came to an event, came early, stand on a list."""
