"""Points: tasks, deeds, and the ledger on the chain."""
