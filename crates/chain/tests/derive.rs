//! A chain's blocks as a batch, and the batch as another chain's blocks.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};
use tempfile::TempDir;
use trex_chain::{
    chain::{BuildOrder, Chain},
    derive::{Sources, derivation_params, explain},
    network::Network,
    pool::PoolConfig,
    settle::Forced,
};
use trex_stf::derive::{BatchHeader, Carrier, Deposit, L1Header, Queue, accumulate};
use trex_store::Options;

/// The devnet, settling on an L1 whose block 7 is genesis's origin.
fn network() -> Network {
    let mut document: Value =
        serde_json::from_slice(include_bytes!("../../../networks/devnet.json")).unwrap();
    let parameters = json!({"maxDriftS": 600, "sequencingWindowS": 600});
    document["l1"] = json!({"chainId": 31337, "contracts": {}, "parameters": parameters});
    document["genesis"]["l1Origin"]["number"] = json!(7);
    document["genesis"]["l1Origin"]["hash"] = json!(format!("0x{}", "07".repeat(32)));
    Network::parse(&serde_json::to_vec(&document).unwrap()).unwrap()
}

fn open(directory: &TempDir, network: &Network) -> Chain {
    let pool = PoolConfig::new(network.params);
    Chain::open(directory.path(), network.clone(), Options::new(network.hash), pool).unwrap()
}

/// RLP of L1 blocks 8 and 9, a second apart.
fn l1(network: &Network) -> Vec<Bytes> {
    let mut parent_hash = B256::repeat_byte(7);
    (8..10)
        .map(|number| {
            let header = Header {
                parent_hash,
                number,
                timestamp: network.params.genesis_timestamp + number - 8,
                base_fee_per_gas: Some(7),
                withdrawals_root: Some(B256::ZERO),
                blob_gas_used: Some(0),
                excess_blob_gas: Some(0),
                parent_beacon_block_root: Some(B256::repeat_byte(number as u8)),
                ..Header::default()
            };
            parent_hash = header.hash_slow();
            alloy_rlp::encode(header).into()
        })
        .collect()
}

/// Three blocks: of L1 block 8, of 9 with a deposit, of 9.
fn build(chain: &Chain, l1: &[Bytes], deposit: &Deposit) {
    let schedule = derivation_params(chain.network()).blob_schedule;
    let origins: Vec<_> = l1.iter().map(|rlp| L1Header::decode(rlp).unwrap().origin(&schedule)).collect();
    let deposits = vec![deposit.transaction(origins[1].hash, 3)];
    for forced in [
        Forced { origin: Some(origins[0]), deposits: vec![] },
        Forced { origin: Some(origins[1]), deposits },
        Forced::default(),
    ] {
        let slot = chain.head().slot + 5;
        let order = BuildOrder { slot, gas_limit: None, allow_empty: true, deadline: None, forced };
        chain.build(&order).unwrap().unwrap();
    }
}

#[test]
fn batch_of_one_chain_makes_the_same_blocks_in_another() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let network = network();
    let (builder, follower) = (open(&one, &network), open(&two, &network));
    let l1_headers = l1(&network);
    let deposit = Deposit {
        l1_number: 9,
        from: Address::repeat_byte(0xd0),
        to: Address::repeat_byte(0xd1),
        mint_wei: 5,
        value_wei: U256::from(5),
        gas_limit: 100_000,
        is_creation: false,
        data: Bytes::new(),
    };
    build(&builder, &l1_headers, &deposit);
    let blobs: Vec<Bytes> =
        builder.batch(1, 3, vec![3]).unwrap().iter().map(|blob| Bytes::copy_from_slice(&blob[..])).collect();
    let content = explain(&blobs, network.params.chain_id).unwrap();
    assert_eq!((content.blocks.len(), content.transactions), (3, 0));
    assert_eq!(content.blocks.iter().map(|block| block.origin_delta).collect::<Vec<_>>(), [1, 1, 0]);

    let record = deposit.encode();
    let header = BatchHeader {
        carrier: Carrier::Ethereum,
        origin_number: 9,
        origin_hash: L1Header::decode(&l1_headers[1]).unwrap().hash,
        queue: Queue { count: 1, accumulator: accumulate(B256::ZERO, &record) },
        blobs: vec![B256::repeat_byte(1)],
        ..BatchHeader::default()
    };
    let sources = Sources {
        header: header.encode().into(),
        queue: Queue::default(),
        blobs,
        l1_headers,
        deposits: vec![record],
    };
    let derived = follower.derive(0, &sources).unwrap();
    assert_eq!((derived.outcome.code, derived.unwound_to), (0, None));
    assert!(derived.blocks.iter().all(|block| !block.kept && block.excluded.is_empty()));
    assert_eq!(follower.head().header.hash(), builder.head().header.hash());
    let again = builder.derive(0, &sources).unwrap();
    assert!(again.blocks.iter().all(|block| block.kept), "a chain keeps what it has");
    assert_eq!(again.blocks[2].output_root, derived.blocks[2].output_root);

    // L1 says otherwise: the chain goes back and follows.
    let garbage = Sources { blobs: vec![vec![0x2a; 131_072].into()], ..sources.clone() };
    let derived = follower.derive(0, &garbage).unwrap();
    assert_eq!((derived.outcome.name, derived.unwound_to), ("version", Some(0)));
    let [block] = &derived.blocks[..] else { panic!("one block") };
    assert_eq!((block.number, block.hash), (1, follower.head().header.hash()));
    assert_eq!(follower.head().origin.number, 9);
    assert_eq!(follower.head().transactions, 2, "L1 attributes and the deposit");

    let short = Sources { deposits: vec![], ..sources };
    assert_eq!(builder.derive(0, &short).unwrap_err().code(), "derivation");
    assert_eq!(builder.head().header.number, 3, "a fault changes nothing");
}
