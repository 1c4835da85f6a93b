//! Blocks above an L1 fit what L1 carries; a batch ends where it may.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use k256::ecdsa::SigningKey;
use serde_json::{Value, json};
use support::dynamic_by;
use tempfile::TempDir;
use trex_chain::{
    chain::{BuildOrder, Chain},
    l1_view::{L1Deposit, L1View},
    network::Network,
    pool::PoolConfig,
};
use trex_stf::derive::Deposit;
use trex_store::Options;

/// First account of the development mnemonic.
const KEY: [u8; 32] = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
/// Blobs of one L1 transaction.
const SIX: usize = 6;

/// The devnet, on an L1 whose block 7 is genesis's origin or on none.
fn open(directory: &TempDir, with_l1: bool) -> Chain {
    let mut document: Value =
        serde_json::from_slice(include_bytes!("../../../networks/devnet.json")).unwrap();
    if with_l1 {
        document["l1"] = json!({"chainId": 31337, "contracts": {}, "parameters": {}});
        document["genesis"]["l1Origin"]["number"] = json!(7);
        document["genesis"]["l1Origin"]["hash"] = json!(format!("0x{}", "07".repeat(32)));
    }
    let network = Network::parse(&serde_json::to_vec(&document).unwrap()).unwrap();
    let pool = PoolConfig::new(network.params);
    Chain::open(directory.path(), network.clone(), Options::new(network.hash), pool).unwrap()
}

/// Transactions of one sender, each with so many bytes that nothing compresses.
fn submit(chain: &Chain, first: u64, count: u64, bytes: usize) {
    let key = SigningKey::from_slice(&KEY).unwrap();
    let noise = |nonce: u64| -> Bytes {
        let words =
            (0..bytes.div_ceil(32)).map(|at| keccak256([nonce.to_be_bytes(), at.to_be_bytes()].concat()));
        words.flat_map(|word| word.0).take(bytes).collect::<Vec<u8>>().into()
    };
    let txs = (first..first + count).map(|nonce| {
        let to = TxKind::Call(Address::repeat_byte(0xaa));
        dynamic_by(&key, nonce, to, 0, noise(nonce)).encoded().clone()
    });
    chain.submit(txs.collect()).into_iter().for_each(|answer| assert!(answer.is_ok()));
}

fn build(chain: &Chain, l1: L1View) -> usize {
    let order = BuildOrder { slot: chain.head().slot + 1, allow_empty: true, l1, ..BuildOrder::default() };
    chain.build(&order).unwrap().unwrap().transactions
}

#[test]
fn every_block_above_an_l1_fits_one_l1_transaction() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (settling, alone) = (open(&one, true), open(&two, false));
    for chain in [&settling, &alone] {
        submit(chain, 0, 60, 20_000);
    }
    assert_eq!(build(&alone, L1View::default()), 60, "nothing limits a block that is never posted");
    // 20,118 bytes each, 17/16 of which fit six blobs 36 times; the first block announces its origin too.
    assert_eq!(
        (build(&settling, L1View::default()), build(&settling, L1View::default())),
        (37, 24),
        "BAT-044"
    );
    for number in [1, 2] {
        assert!(settling.batch(number, number, vec![]).unwrap().len() <= SIX, "BAT-044");
    }
    let refused = settling.batch(1, 2, vec![]).unwrap_err();
    assert_eq!(refused.code(), "bad_batch");
    assert!(refused.to_string().contains("too_many_bytes"), "{refused}");
}

#[test]
fn a_batch_does_not_end_among_deposits_of_one_origin() {
    let directory = tempfile::tempdir().unwrap();
    let chain = open(&directory, true);
    let header = Header {
        parent_hash: B256::repeat_byte(7),
        number: 8,
        timestamp: chain.params().genesis_timestamp,
        ..Header::default()
    };
    let deposit = Deposit {
        l1_number: 8,
        from: Address::repeat_byte(1),
        to: Address::repeat_byte(2),
        mint_wei: 0,
        value_wei: U256::ZERO,
        gas_limit: 1 << 24,
        is_creation: false,
        data: Bytes::new(),
    };
    let l1_hash = header.hash_slow();
    let deposits = (0..50).map(|log_index| L1Deposit { record: deposit.encode(), log_index, l1_hash });
    let l1 = L1View { headers: vec![alloy_rlp::encode(header).into()], deposits: deposits.collect() };
    build(&chain, L1View::default());
    let counts = [(); 4].map(|()| build(&chain, l1.clone()));
    assert_eq!(counts, [24, 23, 4, 0]);
    let indices: Vec<u32> = (0..50).collect();
    for (last, indices) in [(2, &indices[..23]), (3, &indices[..46]), (4, &indices[1..]), (0, &[])] {
        let refused = chain.batch(1, last, indices.to_vec()).unwrap_err();
        assert_eq!(refused.code(), "bad_batch", "DRV-032: {last}");
    }
    assert_eq!(chain.batch(1, 1, vec![]).unwrap().len(), 1, "a block without anything");
    chain.batch(1, 4, indices).unwrap();
}
