"""From chains, gateways and files to events."""
