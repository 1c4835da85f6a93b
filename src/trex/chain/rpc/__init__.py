"""JSON-RPC: from bytes on the wire to calls of the core, and back."""
