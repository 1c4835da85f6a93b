//! `vectors/network.json`: hash, state root and genesis block of each network file, as an independent
//! implementation has them.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use alloy_primitives::B256;
use serde_json::Value;
use trex_chain::network::Network;

/// NET-005, NET-030, NET-031.
#[test]
fn committed_network_files_have_the_golden_hash_and_genesis() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let vectors = std::fs::read(format!("{root}vectors/network.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_slice(&vectors).unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let golden = |key: &str| vector[key].as_str().unwrap().parse::<B256>().unwrap();
        let file = std::fs::read(format!("{root}{}", vector["file"].as_str().unwrap())).unwrap();
        let network = Network::parse(&file).unwrap();
        let (header, _) = network.genesis().unwrap();
        assert_eq!(network.hash, golden("hash"));
        assert_eq!(header.state_root, golden("stateRoot"));
        assert_eq!(header.hash_slow(), golden("genesisHash"), "{header:?}");
    }
}
