"""Facts of EVM chains: collectors that ask several endpoints, and pure functions over what they brought."""
