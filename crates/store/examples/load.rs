//! The store alone under load: blocks of 5,000 transfers to new accounts, or of token transfers.
//!
//! `load DIR BLOCKS [transfers|tokens]` commits, then reads, and prints what it took;
//! `load DIR open` times an opening (after a kill, say).
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, Log, LogData, U256};
use alloy_trie::Nibbles;
use trex_stf::{
    receipt::Receipt,
    state::{Account, Change, NodeChange, State, StateDiff},
};
use trex_store::{BlockData, LogFilter, Options, Store};

/// The node's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TXS: u64 = 5_000;
const SENDERS: u64 = 5_000;

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 8);
    let mut i = 0;
    while out.len() < len {
        out.extend_from_slice(&mix(seed.wrapping_mul(0x9e37_79b9).wrapping_add(i)).to_be_bytes());
        i += 1;
    }
    out.truncate(len);
    out
}

fn hash(seed: u64) -> B256 {
    B256::from_slice(&noise(seed, 32))
}

fn person(i: u64) -> Address {
    Address::from_slice(&noise(i + 1, 20))
}

fn token() -> Address {
    Address::repeat_byte(0x70)
}

/// A block as the state transition function would hand it over; the trie is made up, its shape is not.
struct Made {
    header: Header,
    hash: B256,
    transactions: Vec<Bytes>,
    tx_hashes: Vec<B256>,
    senders: Vec<Address>,
    recipients: Vec<Option<Address>>,
    receipts: Vec<Receipt>,
    diff: StateDiff,
}

fn make(n: u64, parent: B256, tokens: bool) -> Made {
    let mut diff = StateDiff::default();
    let mut made = Made {
        header: Header { number: n, parent_hash: parent, ..Header::default() },
        hash: hash(n << 30),
        transactions: Vec::new(),
        tx_hashes: Vec::new(),
        senders: Vec::new(),
        recipients: Vec::new(),
        receipts: Vec::new(),
        diff: StateDiff::default(),
    };
    let fresh = SENDERS + n * TXS;
    let depth = ((fresh as f64).log2() / 4.0).ceil() as usize;
    let account =
        |nonce: u64| Account { nonce, balance: U256::from(mix(nonce) | 1 << 63), ..Account::default() };
    let owner = tokens.then(|| hash(1));
    let mut branches = std::collections::BTreeSet::new();
    for i in 0..if n == 0 { 0 } else { TXS } {
        let (from, to) = (mix(n << 20 | i) % SENDERS, fresh + i);
        for (who, old) in [(from, true), (to, false)] {
            if !tokens || old {
                diff.accounts
                    .push((person(who), Change { old: old.then(|| account(n)), new: Some(account(n + 1)) }));
            }
            if tokens {
                let slot = U256::from_be_slice(&noise(who ^ 0x77, 32));
                let old = if old { U256::from(n + 7) } else { U256::ZERO };
                diff.slots.push((token(), slot, Change { old, new: U256::from(mix(n)) }));
            }
            let path = Nibbles::unpack(noise(who ^ 0xabc_def0, 32));
            for d in 0..depth {
                branches.insert(path.slice(..d));
            }
            let change =
                Change { old: old.then(|| noise(n, 110).into()), new: Some(noise(who ^ n, 110).into()) };
            diff.nodes.push(NodeChange { owner, path: path.slice(..depth), change });
        }
        let tx = noise(n << 32 | i, 112);
        made.tx_hashes.push(hash(n << 32 | i));
        made.transactions.push(tx.into());
        made.senders.push(person(from));
        made.recipients.push(Some(if tokens { token() } else { person(to) }));
        let logs = if tokens {
            let word = |w: u64| person(w).into_word();
            let data = LogData::new(vec![B256::repeat_byte(0xdd), word(from), word(to)], noise(i, 32).into());
            vec![Log { address: token(), data: data.unwrap() }]
        } else {
            Vec::new()
        };
        made.receipts.push(Receipt {
            tx_type: 2,
            success: true,
            gas_used: 21_000,
            cumulative_gas_used: 21_000 * (i + 1),
            effective_gas_price_wei: 1_000_000_007,
            logs,
            ..Receipt::default()
        });
    }
    for path in branches {
        let len = if path.len() + 1 < depth { 532 } else { 150 };
        let change = Change { old: Some(noise(n, len).into()), new: Some(noise(n + 1, len).into()) };
        diff.nodes.push(NodeChange { owner, path, change });
    }
    diff.accounts.sort_by_key(|a| a.0);
    diff.accounts.dedup_by_key(|a| a.0);
    diff.slots.sort_by_key(|s| s.1);
    diff.slots.dedup_by_key(|s| s.1);
    diff.nodes.sort_by_key(|a| (a.owner, a.path));
    diff.nodes.dedup_by_key(|a| (a.owner, a.path));
    made.diff = diff;
    made
}

impl Made {
    fn data(&self) -> BlockData<'_> {
        BlockData {
            header: &self.header,
            hash: self.hash,
            transactions: &self.transactions,
            tx_hashes: &self.tx_hashes,
            senders: &self.senders,
            recipients: &self.recipients,
            receipts: &self.receipts,
            diff: &self.diff,
            appearances: &[],
            created: &[],
            extra: &[],
            meta: &[],
        }
    }
}

fn status(file: &str, field: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with(field));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Processor time of this process, all threads, microseconds.
fn cpu_us() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10_000
}

fn each<R>(what: &str, n: u64, mut f: impl FnMut(u64) -> R) {
    let t = Instant::now();
    for i in 0..n {
        std::hint::black_box(f(i));
    }
    println!("{what}: {:.1} us", t.elapsed().as_secs_f64() * 1e6 / n as f64);
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = Path::new(&args[1]);
    let t = Instant::now();
    let store = Arc::new(Store::open(dir, Options::new(B256::ZERO)).unwrap());
    println!(
        "open: {:.0} ms, head {:?}, {} KiB of the log read again",
        t.elapsed().as_secs_f64() * 1e3,
        store.head().map(|h| h.number),
        store.replayed_bytes() >> 10,
    );
    let Ok(blocks) = args[2].parse::<u64>() else { return };
    let tokens = args.get(3).is_some_and(|a| a == "tokens");
    let (mut parent, first) = store.head().map_or((B256::ZERO, 0), |h| (h.hash, h.number + 1));
    let (mut all, mut worst, mut cpu) = (Duration::ZERO, Duration::ZERO, 0);
    for n in first..first + blocks {
        let made = make(n, parent, tokens);
        parent = made.hash;
        let (t, c) = (Instant::now(), cpu_us());
        store.commit(&made.data()).unwrap();
        let took = t.elapsed();
        all += took;
        worst = worst.max(took);
        cpu += cpu_us() - c;
        if n % 50 == 49 {
            println!("block {n}: {:.0} tx/s so far", ((n + 1 - first) * TXS) as f64 / all.as_secs_f64());
        }
    }
    let txs = blocks * TXS;
    println!(
        "{txs} transactions: {:.0} tx/s, {:.1} us of processor each while committing, worst block {worst:.0?}, peak memory {} MB",
        txs as f64 / all.as_secs_f64(),
        cpu as f64 / txs as f64,
        status("/proc/self/status", "VmHWM") / 1024,
    );
    let head = store.head().unwrap().number;
    let known = |i: u64| person(SENDERS + mix(i) % (head * TXS) + TXS);
    let view = store.latest().unwrap();
    each("account, latest, there", 20_000, |i| view.account(&known(i)).unwrap());
    each("account, latest, missing", 20_000, |i| view.account(&person(u64::MAX / 2 + i)).unwrap());
    let old = store.state_at(head / 2).unwrap();
    each("account, half the chain ago", 5_000, |i| old.account(&known(i)).unwrap());
    each("transaction by hash", 1_000, |i| {
        let h = hash((mix(i) % head + 1) << 32 | (i % TXS));
        store.transaction(store.find_transaction(&h).unwrap().unwrap()).unwrap()
    });
    if tokens {
        let count = |filter: &LogFilter| {
            let (t, mut n) = (Instant::now(), 0u64);
            store
                .logs(0, head, filter, &mut |_| {
                    n += 1;
                    true
                })
                .unwrap();
            println!("logs: {n} found in {:.1} ms", t.elapsed().as_secs_f64() * 1e3);
        };
        let mut filter = LogFilter { addresses: vec![token()], ..LogFilter::default() };
        count(&filter);
        filter.topics[1] = vec![person(5).into_word()];
        count(&filter);
        filter.topics[1].clear();
        filter.topics[2] = vec![person(SENDERS + 3 * TXS + 5).into_word()];
        count(&filter);
    }
    println!("{:#?}", store.stats().unwrap());
}
