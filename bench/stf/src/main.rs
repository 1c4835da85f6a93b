//! Plain transfers to new accounts: the state transition function with trie and receipts, beside
//! raw revm in memory with neither. Signatures are left out of both.
//!
//! Prints one JSON object; what its fields mean stands in README.md.

use std::{convert::Infallible, time::Duration};

use alloy_consensus::{Header, SignableTransaction, TxEip1559};
use alloy_primitives::{
    Address, B256, Bytes, Signature, TxKind, U256, keccak256,
    map::{AddressMap, HashMap},
};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use op_alloy_consensus::OpTxEnvelope;
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    context::TxEnv,
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use trex_stf::{
    attributes::{BlockAttributes, L1Origin},
    block::BlockExecutor,
    evm::tx_env,
    header::extra_data,
    params::NetworkParams,
    state::{Account, Change, State, StateDiff},
    state_trie::{AccountUpdate, StateTrie},
    transaction::Transaction,
};

/// The allocator the node runs with; both sides get it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// mimalloc's option `mi_option_purge_delay` and its value, as in the node.
const PURGE_DELAY: (i32, i64) = (15, 10_000);

const SENDERS: u64 = 200;
const BLOCK: usize = 10_000;

/// Processor time of this process or, with several threads, the time that passed: the first is not
/// disturbed by what else the machine does, but counts threads one after another.
struct Clock {
    cpu: bool,
    start: Duration,
}

impl Clock {
    fn now(cpu: bool) -> Duration {
        let id = if cpu { rustix::time::ClockId::ProcessCPUTime } else { rustix::time::ClockId::Monotonic };
        let time = rustix::time::clock_gettime(id);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    }

    fn start(threads: usize) -> Self {
        let cpu = threads == 1;
        Self { cpu, start: Self::now(cpu) }
    }

    fn seconds(&self) -> f64 {
        (Self::now(self.cpu) - self.start).as_secs_f64()
    }
}

/// State in hash maps: as little as a state can cost.
#[derive(Default)]
struct MapState {
    accounts: AddressMap<Account>,
    nodes: HashMap<(Option<B256>, Nibbles), Bytes>,
}

impl State for MapState {
    type Error = Infallible;
    fn account(&self, address: &Address) -> Result<Option<Account>, Infallible> {
        Ok(self.accounts.get(address).copied())
    }
    fn storage(&self, _: &Address, _: &U256) -> Result<U256, Infallible> {
        Ok(U256::ZERO)
    }
    fn code(&self, _: &B256) -> Result<Bytes, Infallible> {
        Ok(Bytes::new())
    }
    fn block_hash(&self, _: u64) -> Result<B256, Infallible> {
        Ok(B256::ZERO)
    }
    fn node(&self, owner: Option<&B256>, path: &Nibbles, _: &B256) -> Result<Bytes, Infallible> {
        Ok(self.nodes.get(&(owner.copied(), *path)).cloned().unwrap_or_default())
    }
}

impl MapState {
    /// Keeps the accounts, as revm's database in memory does.
    fn keep_accounts(&mut self, diff: &StateDiff) {
        for (address, change) in &diff.accounts {
            if let Some(account) = change.new {
                self.accounts.insert(*address, account);
            }
        }
    }

    /// Keeps copies of the trie nodes, in place of a database.
    fn keep_nodes(&mut self, diff: &StateDiff) {
        for node in &diff.nodes {
            match &node.change.new {
                Some(rlp) => {
                    self.nodes.insert((node.owner, node.path), Bytes::copy_from_slice(rlp));
                }
                None => {
                    self.nodes.remove(&(node.owner, node.path));
                }
            }
        }
    }
}

fn sender(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

fn transfers(count: usize, params: &NetworkParams) -> Vec<Transaction> {
    (0..count as u64)
        .map(|index| {
            let tx = TxEip1559 {
                chain_id: params.chain_id,
                nonce: index / SENDERS,
                gas_limit: 21_000,
                max_fee_per_gas: 2_000_000_000,
                max_priority_fee_per_gas: 1,
                to: TxKind::Call(Address::from_word(keccak256((index + 1_000_000_000).to_be_bytes()))),
                value: U256::from(1),
                ..TxEip1559::default()
            };
            let envelope = OpTxEnvelope::from(tx.into_signed(Signature::test_signature()));
            let encoded: Bytes = alloy_eips::Encodable2718::encoded_2718(&envelope).into();
            let hash = keccak256(&encoded);
            Transaction::with_sender(encoded, hash, sender(index % SENDERS)).unwrap_or_else(|e| panic!("{e}"))
        })
        .collect()
}

fn rich() -> Account {
    Account { balance: U256::from(10).pow(U256::from(30)), ..Account::default() }
}

/// Seconds of one run, by what they went to.
#[derive(Clone, Copy, Debug, Default)]
struct Seconds {
    execute: f64,
    finish: f64,
    keep_accounts: f64,
    keep_nodes: f64,
    /// Freeing a block and its diff.
    free: f64,
}

impl Seconds {
    /// The state transition function alone.
    fn alone(&self) -> f64 {
        self.execute + self.finish + self.keep_accounts + self.free
    }
}

fn stf(params: &NetworkParams, transactions: &[Transaction], threads: usize, keep_nodes: bool) -> Seconds {
    let mut state = MapState::default();
    let mut trie = StateTrie::new(EMPTY_ROOT_HASH);
    let mut updates: Vec<AccountUpdate> = (0..SENDERS)
        .map(|index| AccountUpdate {
            address: sender(index),
            account: Change { old: None, new: Some(rich()) },
            slots: Vec::new(),
        })
        .collect();
    updates.sort_by_key(|update| update.address);
    let diff = trie.apply(updates, &state).unwrap_or_else(|e| panic!("{e:?}"));
    state.keep_accounts(&diff);
    state.keep_nodes(&diff);
    let mut parent = Header {
        extra_data: extra_data(0),
        state_root: trie.root(),
        gas_limit: 1_000_000_000,
        base_fee_per_gas: Some(1),
        ..Header::default()
    };
    let mut hash = parent.hash_slow();
    let blocks: Vec<Vec<Transaction>> = transactions.chunks(BLOCK).map(<[_]>::to_vec).collect();
    let origin = L1Origin::default();
    let mut seconds = Seconds::default();
    for (index, block) in blocks.into_iter().enumerate() {
        let mark = Clock::start(threads);
        let attributes = BlockAttributes {
            slot: index as u64 + 1,
            origin,
            gas_limit: 1_000_000_000,
            deposits: Vec::new(),
        };
        let mut executor =
            BlockExecutor::new(params, &parent, hash, &attributes, &state).unwrap_or_else(|e| panic!("{e}"));
        executor.reserve(block.len());
        for tx in block {
            if let Some(reason) = executor.transact(tx).unwrap_or_else(|e| panic!("{e}")) {
                panic!("{reason}");
            }
        }
        seconds.execute += mark.seconds();
        let mark = Clock::start(threads);
        let block = executor.finish(&mut trie).unwrap_or_else(|e| panic!("{e}"));
        seconds.finish += mark.seconds();
        let mark = Clock::start(threads);
        state.keep_accounts(&block.diff);
        seconds.keep_accounts += mark.seconds();
        if keep_nodes {
            let mark = Clock::start(threads);
            state.keep_nodes(&block.diff);
            seconds.keep_nodes += mark.seconds();
        }
        let mark = Clock::start(threads);
        parent = block.header.clone();
        hash = block.hash;
        drop(block);
        seconds.free += mark.seconds();
    }
    seconds
}

fn raw(transactions: &[Transaction], threads: usize) -> f64 {
    let mut db = CacheDB::new(EmptyDB::default());
    for index in 0..SENDERS {
        db.insert_account_info(
            sender(index),
            AccountInfo { balance: rich().balance, ..AccountInfo::default() },
        );
    }
    let environments: Vec<TxEnv> = transactions.iter().map(tx_env).collect();
    let mut evm = Context::mainnet()
        .with_db(db)
        .modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
            cfg.chain_id = 1962;
        })
        .modify_block_chained(|block| block.gas_limit = 1_000_000_000)
        .build_mainnet();
    let start = Clock::start(threads);
    for tx in environments {
        evm.transact_commit(tx).unwrap_or_else(|e| panic!("{e:?}"));
    }
    start.seconds()
}

fn main() {
    // SAFETY: an option of mimalloc may be set at any time; it is a number in memory.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY.0, PURGE_DELAY.1) };
    let count: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let threads: usize = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(2);
    let rounds: usize = std::env::args().nth(3).and_then(|n| n.parse().ok()).unwrap_or(3).max(1);
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        panic!("{error}");
    }
    let params = NetworkParams {
        chain_id: 1962,
        genesis_timestamp: 0,
        block_time_ms: 200,
        elasticity: 10,
        base_fee_denominator: 500,
        min_base_fee_wei: 1,
        base_fee_scalar: 0,
        blob_base_fee_scalar: 0,
    };
    let transactions = transfers(count, &params);
    let (mut raw_s, mut seconds, mut with_nodes_s) = (f64::MAX, Seconds::default(), f64::MAX);
    let mut alone_s = f64::MAX;
    for _ in 0..rounds {
        raw_s = raw_s.min(raw(&transactions, threads));
        let round = stf(&params, &transactions, threads, false);
        if round.alone() < alone_s {
            (alone_s, seconds) = (round.alone(), round);
        }
        let round = stf(&params, &transactions, threads, true);
        with_nodes_s = with_nodes_s.min(round.alone() + round.keep_nodes);
    }
    let rate = |seconds: f64| (count as f64 / seconds).round();
    let us = |seconds: f64| seconds * 1e6 / count as f64;
    println!(
        "{{\"transactions\": {count}, \"threads\": {threads}, \"rounds\": {rounds}, \
         \"raw_revm_tps\": {}, \"stf_tps\": {}, \"stf_ratio\": {:.2}, \
         \"stf_keeping_nodes_tps\": {}, \"stf_keeping_nodes_ratio\": {:.2}, \
         \"raw_revm_us\": {:.2}, \"execute_us\": {:.2}, \"finish_us\": {:.2}, \
         \"keep_accounts_us\": {:.2}, \"free_us\": {:.2}}}",
        rate(raw_s),
        rate(alone_s),
        raw_s / alone_s,
        rate(with_nodes_s),
        raw_s / with_nodes_s,
        us(raw_s),
        us(seconds.execute),
        us(seconds.finish),
        us(seconds.keep_accounts),
        us(seconds.free),
    );
}
