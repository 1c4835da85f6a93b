//! Plain transfers to new accounts: the state transition function with trie and receipts, beside
//! raw revm in memory with neither. Signatures are left out of both.
//!
//! Prints one JSON object: transactions per second of each and their ratio.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

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
    fn apply(&mut self, diff: StateDiff) {
        for (address, change) in diff.accounts {
            if let Some(account) = change.new {
                self.accounts.insert(address, account);
            }
        }
        for node in diff.nodes {
            match node.change.new {
                Some(rlp) => self.nodes.insert((node.owner, node.path), rlp),
                None => self.nodes.remove(&(node.owner, node.path)),
            };
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

fn stf(
    params: &NetworkParams,
    transactions: &[Transaction],
    threads: usize,
) -> (f64, BTreeMap<&'static str, f64>) {
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
    state.apply(diff);
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
    let (mut execute, mut finish, mut store) = (0.0, 0.0, 0.0);
    let start = Clock::start(threads);
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
        for tx in block {
            if let Some(reason) = executor.transact(tx).unwrap_or_else(|e| panic!("{e}")) {
                panic!("{reason}");
            }
        }
        execute += mark.seconds();
        let mark = Clock::start(threads);
        let block = executor.finish(&mut trie).unwrap_or_else(|e| panic!("{e}"));
        finish += mark.seconds();
        let mark = Clock::start(threads);
        state.apply(block.diff);
        (parent, hash) = (block.header, block.hash);
        store += mark.seconds();
    }
    let total = start.seconds();
    (total, BTreeMap::from([("execute", execute), ("finish", finish), ("keep", store)]))
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
    let count: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let threads: usize = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(2);
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
    let raw_s = raw(&transactions, threads);
    let (stf_s, parts) = stf(&params, &transactions, threads);
    let rate = |seconds: f64| (count as f64 / seconds).round();
    let parts: Vec<String> = parts
        .iter()
        .map(|(name, seconds)| format!("\"{name}_us\": {:.2}", seconds * 1e6 / count as f64))
        .collect();
    println!(
        "{{\"transactions\": {count}, \"threads\": {threads}, \"raw_revm_tps\": {}, \"stf_tps\": {}, \"ratio\": {:.2}, {}}}",
        rate(raw_s),
        rate(stf_s),
        raw_s / stf_s,
        parts.join(", ")
    );
}
