//! Whatever traffic, deposits and origins a builder has: its batch makes the very same blocks elsewhere.
//! `TREX_CASES` asks for more, `TREX_SEED` for others.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use k256::ecdsa::SigningKey;
use serde_json::{Value, json};
use support::{address_of, dynamic_by};
use tempfile::TempDir;
use trex_chain::{
    chain::{BuildOrder, Chain},
    derive::Sources,
    l1_view::{L1Deposit, L1View},
    network::Network,
    pool::PoolConfig,
};
use trex_stf::derive::{BatchHeader, Carrier, Deposit, Queue, accumulate};
use trex_store::Options;

/// First two accounts of the development mnemonic.
const KEYS: [[u8; 32]; 2] = [
    hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    hex!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
];
const L1_BLOCKS: u64 = 40;

/// Numbers that a seed gives.
struct Dice(B256);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = keccak256(self.0);
        (U256::from_be_bytes(self.0.0) % U256::from(bound.max(1))).to()
    }

    fn bytes(&mut self, most: u64) -> Bytes {
        let length = self.below(most + 1) as usize;
        let fill = self.below(3);
        (0..length)
            .map(|_| if fill == 0 { 0 } else { self.below(if fill == 1 { 4 } else { 256 }) as u8 })
            .collect()
    }
}

fn network() -> Network {
    let mut document: Value =
        serde_json::from_slice(include_bytes!("../../../networks/devnet.json")).unwrap();
    let parameters = json!({"maxDriftS": 60, "sequencingWindowS": 600});
    document["l1"] = json!({"chainId": 31337, "contracts": {}, "parameters": parameters});
    document["genesis"]["l1Origin"]["number"] = json!(7);
    document["genesis"]["l1Origin"]["hash"] = json!(format!("0x{}", "07".repeat(32)));
    // Room for two large deposits, so that they spill.
    document["genesis"]["gasLimit"] = json!(40_000_000);
    Network::parse(&serde_json::to_vec(&document).unwrap()).unwrap()
}

fn open(directory: &TempDir, network: &Network) -> Chain {
    let pool = PoolConfig::new(network.params);
    Chain::open(directory.path(), network.clone(), Options::new(network.hash), pool).unwrap()
}

/// Headers of L1 from block 8 on, some seconds apart, and deposits among them in the queue's order.
fn l1(network: &Network, dice: &mut Dice) -> (Vec<Header>, Vec<L1Deposit>) {
    let (mut parent_hash, mut timestamp) = (B256::repeat_byte(7), network.params.genesis_timestamp);
    let (mut headers, mut deposits) = (Vec::new(), Vec::new());
    for number in 8..8 + L1_BLOCKS {
        timestamp += dice.below(5);
        let header = Header {
            parent_hash,
            number,
            timestamp,
            base_fee_per_gas: Some(dice.below(1 << 40)),
            withdrawals_root: Some(B256::ZERO),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(dice.below(200 << 20)),
            parent_beacon_block_root: Some(dice.0),
            mix_hash: keccak256(dice.0),
            ..Header::default()
        };
        parent_hash = header.hash_slow();
        let mut log_index = 0;
        for _ in 0..dice.below(4) {
            log_index += 1 + dice.below(9) as u32;
            let deposit = Deposit {
                l1_number: number,
                from: Address::repeat_byte(dice.below(4) as u8),
                to: Address::repeat_byte(dice.below(4) as u8),
                mint_wei: dice.below(1 << 60).into(),
                value_wei: U256::from(dice.below(1 << 61)),
                gas_limit: [21_000, 50_000, 3_000_000, 1 << 24, 1 << 30, 5][dice.below(6) as usize],
                is_creation: dice.below(5) == 0,
                data: dice.bytes(300),
            };
            deposits.push(L1Deposit { record: deposit.encode(), log_index, l1_hash: parent_hash });
        }
        headers.push(header);
    }
    (headers, deposits)
}

fn traffic(chain: &Chain, dice: &mut Dice, nonces: &mut [u64; 2]) {
    for _ in 0..dice.below(6) {
        let who = dice.below(2) as usize;
        let to = match dice.below(6) {
            0 => TxKind::Create,
            _ => TxKind::Call(Address::repeat_byte(dice.below(5) as u8)),
        };
        let key = SigningKey::from_slice(&KEYS[who]).unwrap();
        let tx = dynamic_by(&key, nonces[who], to, dice.below(1 << 50).into(), dice.bytes(500));
        if chain.submit(vec![tx.encoded().clone()])[0].is_ok() {
            nonces[who] += 1;
        }
    }
}

/// Builds blocks until all deposits of the last origin are in; posts them in one or more batches.
fn case(seed: u64) {
    let dice = &mut Dice(keccak256(seed.to_be_bytes()));
    let network = network();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (builder, follower) = (open(&one, &network), open(&two, &network));
    let (headers, deposits) = l1(&network, dice);
    let rlp: Vec<Bytes> = headers.iter().map(|header| alloy_rlp::encode(header).into()).collect();
    let mut nonces = KEYS.map(|key| {
        let address = address_of(&SigningKey::from_slice(&key).unwrap());
        trex_stf::state::State::account(&*builder.head().state, &address).unwrap().unwrap_or_default().nonce
    });
    let (mut posted, mut queue, mut taken) = (0, Queue::default(), 0);
    while (builder.head().origin.number as usize) < 7 + rlp.len() {
        traffic(&builder, dice, &mut nonces);
        let known = (builder.head().origin.number as usize - 7 + 1 + dice.below(4) as usize).min(rlp.len());
        let view = L1View { headers: rlp[..known].to_vec(), deposits: deposits.clone() };
        let slot = builder.head().slot + 1 + dice.below(30);
        let order =
            BuildOrder { slot, allow_empty: dice.below(2) == 0, l1: view.clone(), ..BuildOrder::default() };
        builder.build(&order).unwrap();
        if builder.head().header.number - posted < 1 + dice.below(12) {
            continue;
        }
        // What spilled has to be in before a batch may end.
        while builder
            .build(&BuildOrder {
                slot: builder.head().slot + 1,
                l1: L1View { headers: vec![], ..view.clone() },
                ..BuildOrder::default()
            })
            .unwrap()
            .is_some()
        {}
        let head = builder.head();
        let upto = deposits
            .iter()
            .filter(|deposit| Deposit::decode(&deposit.record).unwrap().l1_number <= head.origin.number)
            .count();
        let new = &deposits[taken..upto];
        let blobs = builder
            .batch(posted + 1, head.header.number, new.iter().map(|deposit| deposit.log_index).collect())
            .unwrap();
        let blobs: Vec<Bytes> = blobs.iter().map(|blob| Bytes::copy_from_slice(&blob[..])).collect();
        let after = new.iter().fold(queue, |queue, deposit| Queue {
            count: queue.count + 1,
            accumulator: accumulate(queue.accumulator, &deposit.record),
        });
        let header = BatchHeader {
            carrier: Carrier::Ethereum,
            origin_number: head.origin.number,
            origin_hash: head.origin.hash,
            queue: after,
            blobs: blobs.iter().map(keccak256).collect(),
            ..BatchHeader::default()
        };
        let sources = Sources {
            header: header.encode().into(),
            queue,
            blobs,
            l1_headers: rlp[..head.origin.number as usize - 7].to_vec(),
            deposits: new.iter().map(|deposit| deposit.record.clone()).collect(),
        };
        let derived = follower.derive(posted, &sources).unwrap();
        assert_eq!(derived.outcome.name, "batch", "seed {seed}");
        assert!(derived.blocks.iter().all(|block| block.excluded.is_empty()), "seed {seed}");
        assert_eq!(follower.head().header.hash(), head.header.hash(), "seed {seed}");
        (posted, queue, taken) = (head.header.number, after, upto);
    }
    assert!(posted > 0, "seed {seed} posts something");
}

#[test]
fn built_blocks_are_derived_again_whatever_traffic_and_deposits() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let first = number("TREX_SEED", 1u64);
    for seed in first..first + number("TREX_CASES", 4) {
        case(seed);
    }
}
