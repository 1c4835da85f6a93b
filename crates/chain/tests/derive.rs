//! A chain's blocks as a batch, and the batch as another chain's blocks.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use serde_json::{Value, json};
use support::node::transfer;
use tempfile::TempDir;
use trex_chain::{
    chain::{BuildOrder, Chain},
    derive::{Sources, explain},
    l1_view::{L1Deposit, L1View},
    network::Network,
    pool::PoolConfig,
    settle::L1Heads,
};
use trex_stf::{
    batch::{Batch, BatchBlock, encode_batch, pack_blobs},
    derive::{BatchHeader, Carrier, Deposit, Queue, accumulate},
    header::output_root,
};
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

/// An L1 from block 8 on, a block a second, and the deposits made on it.
struct L1 {
    headers: Vec<Bytes>,
    deposits: Vec<L1Deposit>,
}

impl L1 {
    /// `fork` tells one L1 from another.
    fn new(network: &Network, blocks: u64, fork: u64) -> Self {
        let mut parent_hash = B256::repeat_byte(7);
        let header = |number: u64| {
            let header = Header {
                parent_hash,
                number,
                gas_limit: fork,
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
        };
        Self { headers: (8..8 + blocks).map(header).collect(), deposits: vec![] }
    }

    fn hash(&self, number: u64) -> B256 {
        keccak256(&self.headers[number as usize - 8])
    }

    fn deposit(&mut self, l1_number: u64, gas_limit: u64) {
        let deposit = Deposit {
            l1_number,
            from: Address::repeat_byte(0xd0),
            to: Address::repeat_byte(0xd1),
            mint_wei: 5,
            value_wei: U256::from(5),
            gas_limit,
            is_creation: false,
            data: Bytes::new(),
        };
        let (record, log_index) = (deposit.encode(), self.deposits.len() as u32 * 2 + 3);
        self.deposits.push(L1Deposit { record, log_index, l1_hash: self.hash(l1_number) });
    }

    /// All of it up to a block.
    fn view(&self, last: u64) -> L1View {
        L1View { headers: self.headers[..last as usize - 7].to_vec(), deposits: self.deposits.clone() }
    }

    fn log_indices(&self) -> Vec<u32> {
        self.deposits.iter().map(|deposit| deposit.log_index).collect()
    }

    /// What the first batch header, of all deposits, is derived from.
    fn sources(&self, origin: u64, blobs: Vec<Bytes>) -> Sources {
        let accumulator = self.deposits.iter().fold(B256::ZERO, |acc, next| accumulate(acc, &next.record));
        let header = BatchHeader {
            carrier: Carrier::Ethereum,
            origin_number: origin,
            origin_hash: self.hash(origin),
            queue: Queue { count: self.deposits.len() as u64, accumulator },
            blobs: blobs.iter().map(keccak256).collect(),
            ..BatchHeader::default()
        };
        Sources {
            header: header.encode().into(),
            queue: Queue::default(),
            blobs,
            l1_headers: self.headers.clone(),
            deposits: self.deposits.iter().map(|deposit| deposit.record.clone()).collect(),
        }
    }
}

/// An order for an empty block, some slots after the head.
fn order(chain: &Chain, slots: u64, l1: L1View) -> BuildOrder {
    BuildOrder { slot: chain.head().slot + slots, allow_empty: true, l1, ..BuildOrder::default() }
}

fn build(chain: &Chain, slots: u64, l1: L1View) {
    chain.build(&order(chain, slots, l1)).unwrap().unwrap();
}

/// Four blocks with a transfer each.
fn build_transfers(chain: &Chain, l1: &L1View) {
    for nonce in 0..4 {
        let tx = transfer(nonce, Address::repeat_byte(7), 5);
        chain.submit(vec![tx.encoded().clone()])[0].as_ref().unwrap();
        build(chain, 4, l1.clone());
    }
}

fn batch(chain: &Chain, last: u64, log_indices: Vec<u32>) -> Vec<Bytes> {
    let blobs = chain.batch(1, last, log_indices).unwrap();
    blobs.iter().map(|blob| Bytes::copy_from_slice(&blob[..])).collect()
}

#[test]
fn batch_of_one_chain_makes_the_same_blocks_in_another() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let network = network();
    let (builder, follower) = (open(&one, &network), open(&two, &network));
    let mut l1 = L1::new(&network, 2, 0);
    l1.deposit(9, 100_000);
    for (slots, last) in [(4, 8), (6, 9), (5, 9)] {
        build(&builder, slots, l1.view(last));
    }
    let blobs = batch(&builder, 3, l1.log_indices());
    let content = explain(&blobs, network.params.chain_id).unwrap();
    assert_eq!((content.blocks.len(), content.transactions), (3, 0));
    assert_eq!(content.blocks.iter().map(|block| block.origin_delta).collect::<Vec<_>>(), [1, 1, 0]);

    let sources = l1.sources(9, blobs);
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

#[test]
fn a_batch_read_before_its_turn_is_not_read_again() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let network = network();
    let (builder, follower) = (open(&one, &network), open(&two, &network));
    let l1 = L1::new(&network, 2, 0);
    build_transfers(&builder, &l1.view(8));
    let sources = l1.sources(8, batch(&builder, 4, vec![]));
    // Whoever brings blobs has checked them: what was read for a header counts, once.
    let garbage = Bytes::from(vec![0x2a; 131_072]);
    follower.read_ahead(&sources.header, std::slice::from_ref(&garbage));
    assert_eq!(follower.derive(0, &sources).unwrap().outcome.name, "version");
    follower.read_ahead(&l1.sources(9, vec![garbage]).header, &sources.blobs);
    assert_eq!(follower.derive(0, &sources).unwrap().outcome.name, "batch");
    assert_eq!(follower.read_ahead(&sources.header, &sources.blobs), 4, "what L1 says is all there is");
    let again = follower.derive(0, &sources).unwrap();
    assert_eq!((again.outcome.name, again.blocks[0].kept), ("batch", true));
    assert_eq!(follower.head().header.hash(), builder.head().header.hash());

    // A chain that has some of the blocks makes the others of what was decoded for them.
    let three = tempfile::tempdir().unwrap();
    let partial = open(&three, &network);
    partial.derive(0, &l1.sources(8, batch(&builder, 2, vec![]))).unwrap();
    assert_eq!(partial.read_ahead(&sources.header, &sources.blobs), 4);
    let made = partial.derive(0, &sources).unwrap();
    let kept: Vec<bool> = made.blocks.iter().map(|block| block.kept).collect();
    assert_eq!((kept, made.unwound_to), (vec![true, true, false, false], None));
    assert_eq!(partial.head().header.hash(), builder.head().header.hash());
}

#[test]
fn who_has_blocks_before_l1_does_not_recover_the_senders_of_batches_ahead() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let network = network();
    let (builder, told) = (open(&one, &network), open(&two, &network));
    let l1 = L1::new(&network, 2, 0);
    build_transfers(&builder, &l1.view(8));
    let sources = l1.sources(8, batch(&builder, 4, vec![]));
    (1..3).for_each(|number| told.insert(&builder.block_rlp(number).unwrap()).unwrap());
    for chain in [&builder, &told] {
        assert_eq!(chain.read_ahead(&sources.header, &sources.blobs), 0, "DRV-041");
        assert_eq!(chain.derive(0, &sources).unwrap().outcome.name, "batch");
        assert_eq!(chain.head().header.hash(), builder.head().header.hash());
    }
}

#[test]
fn batches_read_ahead_are_kept_once_and_no_more_than_a_driver_reads_ahead() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let network = network();
    let (builder, follower) = (open(&one, &network), open(&two, &network));
    let l1 = L1::new(&network, 2, 0);
    build(&builder, 4, l1.view(8));
    let sources = l1.sources(8, batch(&builder, 1, vec![]));
    let garbage = vec![Bytes::from(vec![0x2a; 131_072]); 6];
    let outcome = || follower.derive(0, &sources).unwrap().outcome.name;
    follower.read_ahead(&sources.header, &garbage[..1]);
    follower.read_ahead(&sources.header, &sources.blobs);
    assert_eq!(outcome(), "batch", "the newer took the older one's place");
    // What was read for a header tells whether it is still there.
    for (others, expected) in [(5, "version"), (6, "batch")] {
        follower.read_ahead(&sources.header, &garbage[..1]);
        (0..others).for_each(|other: u8| _ = follower.read_ahead(&[other], &garbage));
        assert_eq!(outcome(), expected, "{others} of six blobs");
    }
}

#[test]
fn deposits_that_do_not_fit_a_built_block_spill_as_derivation_has_it() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let network = network();
    let (builder, follower) = (open(&one, &network), open(&two, &network));
    let mut l1 = L1::new(&network, 4, 0);
    for l1_number in [8, 9, 10].into_iter().flat_map(|number| [number; 10]) {
        l1.deposit(l1_number, 1 << 24);
    }
    // 400 million gas: 23 beside the L1 attributes.
    let mut counts = Vec::new();
    for (slots, last) in [(4, 8), (11, 10), (1, 10), (1, 10), (5, 11)] {
        let may_be_empty = BuildOrder { allow_empty: false, ..order(&builder, slots, l1.view(last)) };
        counts.push(builder.build(&may_be_empty).unwrap().map(|head| head.transactions));
    }
    assert_eq!(counts, [Some(11), Some(21), None, None, None], "DRV-053: each goes in once");
    assert_eq!(builder.head().origin.number, 10, "DRV-051");
    for _ in 0..25 {
        l1.deposit(11, 1 << 24);
    }
    build(&builder, 5, l1.view(11));
    assert_eq!(builder.head().transactions, 24, "DRV-031");
    build(&builder, 1, L1View { headers: vec![], ..l1.view(11) });
    assert_eq!(builder.head().transactions, 2, "DRV-053: the rest, of the origin that stays");

    let sources = l1.sources(11, batch(&builder, 4, l1.log_indices()));
    let derived = follower.derive(0, &sources).unwrap();
    assert_eq!(derived.outcome.name, "batch");
    assert_eq!(follower.head().header.hash(), builder.head().header.hash());
}

#[test]
fn building_keeps_to_the_l1_it_stands_on() {
    let directory = tempfile::tempdir().unwrap();
    let network = network();
    let chain = open(&directory, &network);
    let mut l1 = L1::new(&network, 6, 0);
    l1.deposit(9, 50_000);
    let refusal = |order: BuildOrder| chain.build(&order).unwrap_err().code();
    build(&chain, 5, l1.view(13));
    assert_eq!(chain.head().origin.number, 9, "DRV-051: the newest that is not later than the slot");
    assert_eq!(chain.block_origin(1).unwrap(), chain.head().origin);

    let other = L1::new(&network, 6, 1);
    assert_eq!(refusal(order(&chain, 5, other.view(13))), "l1_reorg", "DRV-050");
    let after = |l1: &L1, first: usize| L1View { headers: l1.headers[first..].to_vec(), deposits: vec![] };
    assert_eq!(refusal(order(&chain, 5, after(&other, 2))), "l1_reorg", "DRV-050");
    assert_eq!(refusal(order(&chain, 5, after(&l1, 3))), "derivation", "DRV-050: a header is missing");
    let mut mixed = l1.view(11);
    mixed.headers[3] = other.headers[3].clone();
    assert_eq!(refusal(order(&chain, 5, mixed)), "derivation", "DRV-050");
    let mut moved = l1.view(13);
    moved.deposits[0].l1_hash = other.hash(9);
    assert_eq!(refusal(order(&chain, 5, moved)), "l1_reorg");
    let mut malformed = l1.view(13);
    malformed.deposits[0].record = Bytes::from_static(b"short");
    assert_eq!(refusal(order(&chain, 5, malformed)), "derivation");

    let far = 5 * 602;
    assert_eq!(refusal(order(&chain, far, L1View::default())), "origin_time", "DRV-052");
    let limited = BuildOrder { gas_limit: Some(30_000_000), ..order(&chain, 5, l1.view(13)) };
    assert_eq!(refusal(limited), "derivation", "DRV-054");
    assert_eq!(chain.head().header.number, 1, "a refusal changes nothing");
    build(&chain, far, l1.view(13));
    assert_eq!((chain.head().origin.number, chain.head().transactions), (13, 1));

    let mut document: Value =
        serde_json::from_slice(include_bytes!("../../../networks/devnet.json")).unwrap();
    document["name"] = json!("alone");
    let alone = Network::parse(&serde_json::to_vec(&document).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let chain = open(&directory, &alone);
    assert_eq!(chain.build(&order(&chain, 5, l1.view(8))).unwrap_err().code(), "derivation");
}

#[test]
fn unsafe_transactions_that_l1_did_not_order_wait_again() {
    let directory = tempfile::tempdir().unwrap();
    let network = network();
    let chain = open(&directory, &network);
    let l1 = L1::new(&network, 2, 0);
    let to = Address::repeat_byte(0xf0);
    for nonce in 0..3 {
        chain.submit(vec![transfer(nonce, to, 5).encoded().clone()])[0].as_ref().unwrap();
        build(&chain, 1, L1View::default());
    }
    let derived = chain.derive(0, &l1.sources(9, vec![vec![0x2a; 131_072].into()])).unwrap();
    assert_eq!((derived.outcome.name, derived.unwound_to), ("version", Some(0)));
    assert_eq!(chain.head().transactions, 1, "L1 attributes");
    assert_eq!(chain.pool().status().pending, 3);
    build(&chain, 1, L1View::default());
    assert_eq!((chain.head().transactions, chain.pool().status().pending), (3, 0));
}

#[test]
fn nobody_builds_between_derived_blocks() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let network = network();
    let (builder, follower) = (open(&one, &network), open(&two, &network));
    let l1 = L1::new(&network, 2, 0);
    for _ in 0..40 {
        build(&builder, 1, l1.view(9));
    }
    let blobs = batch(&builder, 40, vec![]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                // Refused where the slot is too far from the origin.
                _ = follower.build(&order(&follower, 1, L1View::default()));
            }
        });
        let derived = follower.derive(0, &l1.sources(9, blobs));
        done.store(true, Ordering::SeqCst);
        let derived = derived.unwrap();
        assert_eq!((derived.outcome.code, derived.blocks.len()), (0, 40));
        busy.join().unwrap();
    });
    let hash = |chain: &Chain| chain.store().hash_by_number(40).unwrap().unwrap();
    assert_eq!(hash(&follower), hash(&builder));
}

/// A batch of one block on genesis, four slots after it, of L1 block 8.
fn batch_of(chain: &Chain, transactions: Vec<Bytes>) -> Vec<Bytes> {
    let genesis = chain.store().header_by_number(0).unwrap().unwrap();
    let batch = Batch {
        parent_output: output_root(&genesis, genesis.hash_slow()),
        blocks: vec![BatchBlock { slot_delta: 4, origin_delta: 1, transactions }],
        log_indices: vec![],
    };
    let bytes = encode_batch(&batch, chain.params().chain_id).unwrap();
    pack_blobs(&bytes).iter().map(|blob| Bytes::copy_from_slice(&blob[..])).collect()
}

#[test]
fn blocks_that_leave_out_what_breaks_rules_stay_when_they_are_derived_again() {
    let directory = tempfile::tempdir().unwrap();
    let network = network();
    let chain = open(&directory, &network);
    let l1 = L1::new(&network, 2, 0);
    let to = Address::repeat_byte(0xf0);
    // The second has no account's next nonce.
    let transactions = [0, 7, 1].map(|nonce| transfer(nonce, to, 5).encoded().clone()).to_vec();
    let sources = l1.sources(8, batch_of(&chain, transactions));
    let derived = chain.derive(0, &sources).unwrap();
    let [made] = &derived.blocks[..] else { panic!("one block") };
    assert_eq!((derived.outcome.name, made.kept, made.excluded.len()), ("batch", false, 1));
    assert_eq!((made.excluded[0].0, chain.head().transactions), (1, 3), "L1 attributes and two");
    chain.set_l1_heads(L1Heads { safe: 1, finalized: 1 }).unwrap();
    let (above, header) = (2, chain.head().header.hash());
    build(&chain, 1, L1View::default());
    let again = chain.derive(0, &sources).unwrap();
    let [kept] = &again.blocks[..] else { panic!("one block") };
    assert_eq!((again.unwound_to, kept.kept), (None, true), "DRV-065");
    assert_eq!((kept.hash, &kept.excluded), (header, &made.excluded));
    assert_eq!(kept.output_root, made.output_root);
    assert_eq!(chain.head().header.number, above, "what is above it stays too");
    build(&chain, 1, L1View::default());
}

#[test]
fn a_block_that_leaves_out_what_keeps_the_rules_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let network = network();
    let chain = open(&directory, &network);
    let l1 = L1::new(&network, 2, 0);
    let to = Address::repeat_byte(0xf0);
    let transactions = [0, 1].map(|nonce| transfer(nonce, to, 5).encoded().clone()).to_vec();
    chain.submit(transactions[..1].to_vec())[0].as_ref().unwrap();
    build(&chain, 4, l1.view(8));
    assert_eq!(chain.head().transactions, 2);
    let derived = chain.derive(0, &l1.sources(8, batch_of(&chain, transactions))).unwrap();
    assert_eq!((derived.outcome.name, derived.unwound_to), ("batch", Some(0)), "DRV-065");
    assert_eq!((derived.blocks[0].kept, chain.head().transactions), (false, 3));
}
