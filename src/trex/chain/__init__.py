"""The node: everything between the Rust core and the wire. The only importer of `trex._core`."""
