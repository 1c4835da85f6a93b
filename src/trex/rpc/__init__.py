"""JSON-RPC endpoints of chains, as their clients ask them."""
