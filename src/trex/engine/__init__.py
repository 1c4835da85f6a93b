"""The Symbiosis Engine: from events to the right people, and back to the person."""
