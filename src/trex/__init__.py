"""T-Rex: an EVM-compatible optimistic rollup for personas.

- `trex.types`: the words every package shares; imports nothing local.
- `trex.chain`: the node.
- `trex.node`: the composition root and the command line.
"""
