//! Kills, damaged bytes, a full disk.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, Log, LogData, U256, keccak256};
use common::{Block, Rng, check_block, check_state, next_block, who};
use trex_store::{History, LogFilter, Options, Store, StoreError, TxPlace};

const SEED: u64 = 11;
const SIZE: u64 = 40;

/// Little memory, so that flushes and compactions are always about.
fn small() -> Options {
    Options { cache_bytes: 2 << 20, history: History::Last(30), ..common::options(History::Archive) }
}

fn rounds(default: u64) -> u64 {
    std::env::var("TREX_STORE_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(default)
}

/// Act `i` on a chain: mostly a block, sometimes a way back by two. Pure, so that a killed process
/// and its judge agree.
fn act(chain: &mut Vec<Block>, i: u64) -> bool {
    if i % 29 == 28 && chain.len() > 4 {
        chain.truncate(chain.len() - 2);
        return false;
    }
    let mut block = next_block(chain.last(), SEED + i, SIZE);
    block.meta = vec![(b"act".to_vec(), i.to_be_bytes().to_vec())];
    // Models are needed of the newest blocks alone.
    let n = chain.len();
    if n > 40 {
        chain[n - 40].after = Default::default();
    }
    chain.push(block);
    true
}

/// The chain after the acts that the store in hand has seen, and their number.
fn judge(store: &Store) -> (Vec<Block>, u64) {
    let mut chain = Vec::new();
    let Some(head) = store.head() else { return (chain, 0) };
    let last: [u8; 8] = store.get_meta(b"act").unwrap().unwrap().try_into().unwrap();
    let mut i = 0;
    while i <= u64::from_be_bytes(last) {
        act(&mut chain, i);
        i += 1;
    }
    if chain.last().unwrap().hash != head.hash {
        act(&mut chain, i);
        i += 1;
    }
    assert_eq!(chain.last().unwrap().hash, head.hash, "the head is neither before nor after an act");
    (chain, i)
}

/// Not a test by itself: the process that the next one kills.
#[test]
fn child_commits_until_killed() {
    let Some(dir) = std::env::var_os("TREX_STORE_CHILD") else { return };
    let store = Store::open(PathBuf::from(dir), small()).unwrap();
    let (mut chain, mut i) = judge(&store);
    loop {
        if act(&mut chain, i) {
            store.commit(&chain.last().unwrap().data()).unwrap();
        } else {
            store.unwind_to(chain.last().unwrap().header.number).unwrap();
        }
        println!("\nACK {i}");
        std::io::stdout().flush().unwrap();
        i += 1;
    }
}

#[test]
fn test_kill_any_moment_keeps_all_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng(std::process::id().into());
    for round in 0..rounds(10) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_commits_until_killed", "--exact", "--nocapture"])
            .env("TREX_STORE_CHILD", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let acks = std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .filter_map(|l| l.strip_prefix("ACK ")?.parse::<u64>().ok())
                .last()
        });
        std::thread::sleep(Duration::from_millis(200 + rng.below(800)));
        child.kill().unwrap();
        child.wait().unwrap();
        let acked = acks.join().unwrap();
        let begun = Instant::now();
        let store = Arc::new(Store::open(dir.path(), small()).unwrap());
        let took = begun.elapsed();
        // What opening takes follows from this, on any machine.
        assert!(store.replayed_bytes() <= 65 << 20, "{} bytes", store.replayed_bytes());
        let (chain, acts) = judge(&store);
        if let Some(acked) = acked {
            assert!(acts > acked, "act {acked} was acknowledged, {acts} are there");
        }
        for block in chain.iter().rev().take(60) {
            check_block(&store, block).unwrap();
        }
        let everybody: Vec<Address> = (0..4 * SIZE).map(who).collect();
        for block in chain.iter().rev().take(25).filter(|b| b.header.number >= store.earliest_state()) {
            check_state(&store, block, &everybody).unwrap();
        }
        if !chain.is_empty() {
            let done = store.verify(None, &mut |_, _, _| {}).unwrap();
            eprintln!("round {round}: acknowledged {acked:?}, opened in {took:?}, {done:?}");
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for e in fs::read_dir(dir).unwrap() {
        let path = e.unwrap().path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out.sort();
    out
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(dir).into_iter().map(|f| (f.strip_prefix(dir).unwrap().to_owned(), fs::read(&f).unwrap())).collect()
}

#[test]
fn test_what_opening_reads_again_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    // Memory enough to hold it all: the log alone asks for flushes. Closing does none, like a kill.
    let options = Options { cache_bytes: 1 << 30, ..common::options(History::Archive) };
    let open = || Store::open(dir.path(), options.clone()).unwrap();
    let value = |n: u32, len: usize| [n.to_be_bytes().as_slice(), &vec![7; len]].concat();
    let (mut store, mut most) = (open(), 0);
    for n in 0..150 {
        store.put_meta(b"filling", &value(n, 1 << 20)).unwrap();
        if n % 25 == 24 {
            drop(store);
            store = open();
            assert_eq!(store.get_meta(b"filling").unwrap().unwrap(), value(n, 1 << 20));
            most = most.max(store.replayed_bytes());
        }
    }
    assert!((1 << 20..=66 << 20).contains(&most), "{most}");
    // A commit above the bound is a flush of its own: at most it and one before it are read again.
    for n in 150..154 {
        store.put_meta(b"filling", &value(n, 40 << 20)).unwrap();
    }
    drop(store);
    assert!(open().replayed_bytes() <= 81 << 20);
}

#[test]
fn test_sections_of_pruned_blocks_are_given_back_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { history: History::Last(2), ..common::options(History::Archive) };
    let mut chain: Vec<Block> = Vec::new();
    let store = Arc::new(Store::open(dir.path(), options.clone()).unwrap());
    chain.push(next_block(None, SEED, SIZE));
    store.commit(&chain[0].data()).unwrap();
    let reader = store.latest().unwrap();
    for n in 1..40 {
        let mut block = next_block(chain.last(), SEED + n, SIZE);
        // Sections of their own blocks of the disk.
        let codes = (0..4u64).map(|i| (common::Rng(n * 8 + i).hash(), vec![n as u8; 20_000].into()));
        block.diff.codes.extend(codes);
        store.commit(&block.data()).unwrap();
        chain.push(block);
    }
    store.compact(&mut |_, _| {}).unwrap();
    // A reader of the first state was there all the time: nothing could be given back.
    let before = log_bytes_on_disk(dir.path());
    drop(reader);
    drop(store);
    let store = Arc::new(Store::open(dir.path(), options).unwrap());
    store.compact(&mut |_, _| {}).unwrap();
    let after = log_bytes_on_disk(dir.path());
    if can_punch(dir.path()) {
        assert!(after < before / 2, "{before} bytes, then {after}");
    }
    check_block(&store, &chain[20]).unwrap();
    check_state(&store, chain.last().unwrap(), &[]).unwrap();
}

fn log_bytes_on_disk(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    files(&dir.join("log")).iter().map(|file| fs::metadata(file).unwrap().blocks() * 512).sum()
}

/// Whether the file system gives holes back.
fn can_punch(dir: &Path) -> bool {
    let file = fs::File::create(dir.join("holes")).unwrap();
    let mut writer = &file;
    writer.write_all(&[1; 65_536]).unwrap();
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&file, flags, 0, 65_536).is_ok()
}

fn read_all(dir: &Path, chain: &[Block]) -> Result<(), StoreError> {
    let store = Arc::new(Store::open(dir, small())?);
    assert_eq!(store.head().map(|h| h.hash), chain.last().map(|b| b.hash), "the head moved unnoticed");
    for block in chain {
        check_block(&store, block)?;
    }
    let everybody: Vec<Address> = (0..4 * SIZE).map(who).collect();
    for block in chain.iter().filter(|b| b.header.number >= store.earliest_state()) {
        check_state(&store, block, &everybody)?;
    }
    store.verify(None, &mut |_, _, _| {})?;
    Ok(())
}

#[test]
fn test_damage_anywhere_is_seen_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Vec::new();
    {
        let store = Store::open(dir.path(), small()).unwrap();
        for n in 0..90 {
            let block = next_block(chain.last(), SEED, SIZE);
            store.commit(&block.data()).unwrap();
            chain.push(block);
            if n == 50 {
                store.compact(&mut |_, _| {}).unwrap();
            }
        }
    }
    read_all(dir.path(), &chain).unwrap();
    let whole = contents(dir.path());
    let mut rng = Rng(std::process::id().into());
    let (mut seen, mut harmless) = (0, 0);
    for _ in 0..rounds(24) {
        let names: Vec<_> = whole.iter().filter(|f| !f.1.is_empty()).collect();
        let (name, bytes) = names[rng.below(names.len() as u64) as usize];
        let trial = tempfile::tempdir().unwrap();
        for (name, bytes) in &whole {
            let path = trial.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let at = rng.below(bytes.len() as u64) as usize;
        let mut bytes = bytes.clone();
        let what = match rng.below(4) {
            0 => {
                bytes.truncate(at);
                format!("{} cut at {at}", name.display())
            }
            1 => {
                let end = bytes.len().min(at + 512);
                bytes[at..end].fill(0);
                format!("{} zeroed from {at}", name.display())
            }
            _ => {
                bytes[at] ^= 1 << rng.below(8);
                format!("{} bit flipped at {at}", name.display())
            }
        };
        fs::write(trial.path().join(name), &bytes).unwrap();
        let damaged = contents(trial.path());
        let opened = Store::open(trial.path(), small()).map(drop);
        if opened.is_err() {
            let after = contents(trial.path());
            for (name, bytes) in &damaged {
                assert!(after.get(name) == Some(bytes), "{what}: {} was changed", name.display());
            }
        }
        match opened.and_then(|()| read_all(trial.path(), &chain)) {
            Ok(()) => harmless += 1,
            Err(StoreError::Corrupt { .. } | StoreError::WrongFormat { .. }) => seen += 1,
            Err(other) => panic!("{what}: {other}"),
        }
    }
    eprintln!("damage seen {seen}, harmless {harmless}");
    assert!(seen > 0);
}

#[test]
fn test_lost_file_whose_place_would_be_filled_is_damage_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = common::open(dir.path(), History::Archive);
    let block = next_block(None, SEED, SIZE);
    store.commit(&block.data()).unwrap();
    store.compact(&mut |_, _| {}).unwrap();
    drop(store);
    let tables = ["flat", "history", "index", "lookup", "node"].map(|name| format!("tables/{name}/current"));
    for lost in tables.iter().map(String::as_str).chain(["log/acknowledged"]) {
        let path = dir.path().join(lost);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let before = contents(dir.path());
        let refused = Store::open(dir.path(), common::options(History::Archive)).map(drop).unwrap_err();
        assert_eq!(refused.code(), "store_corrupt", "{lost}: {refused}");
        assert_eq!(contents(dir.path()), before, "{lost}");
        fs::write(&path, bytes).unwrap();
    }
    read_all(dir.path(), &[block]).unwrap();
}

#[test]
fn test_one_log_is_read_and_checked_without_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = common::open(dir.path(), History::Archive);
    let mut block = next_block(None, SEED, SIZE);
    store.commit(&block.data()).unwrap();
    while block.transactions.len() < 4 {
        block = next_block(Some(&block), SEED, SIZE);
        if block.transactions.len() < 4 {
            store.commit(&block.data()).unwrap();
        }
    }
    // Some 80 kB of logs, each found by a topic of its own.
    let topic = |i: usize| keccak256(i.to_be_bytes());
    for (i, receipt) in block.receipts.iter_mut().enumerate() {
        let log = |i: usize| Log {
            address: who(1),
            data: LogData::new(vec![topic(i)], topic(i).repeat(10).into()).unwrap(),
        };
        receipt.logs = if i < 4 { (60 * i..60 * (i + 1)).map(log).collect() } else { Vec::new() };
    }
    store.commit(&block.data()).unwrap();
    let number = block.header.number;
    let find = |i: usize| {
        let mut filter = LogFilter::default();
        filter.topics[0] = vec![topic(i)];
        let mut found = Vec::new();
        store
            .logs(0, number, &filter, &mut |log| {
                found.push((log.tx_index, log.tx_hash, log.log_index, log.timestamp));
                true
            })
            .map(|()| found)
    };
    let expected = |i: usize| {
        let tx = i / 60;
        vec![(tx as u32, block.tx_hashes[tx], i as u32, block.header.timestamp)]
    };
    for i in [0, 59, 60, 239] {
        assert_eq!(find(i).unwrap(), expected(i));
    }
    let file = files(&dir.path().join("log")).into_iter().find(|file| file.extension().is_some()).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let spoiled = topic(200).repeat(10);
    let at = bytes.windows(spoiled.len()).position(|window| window == spoiled).unwrap();
    bytes[at] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert_eq!(find(0).unwrap(), expected(0));
    assert_eq!(store.receipt(TxPlace { block: number, index: 0 }).unwrap().unwrap().1, block.receipts[0]);
    for fault in [find(200).unwrap_err(), store.receipts(number).unwrap_err()] {
        assert_eq!(fault.code(), "store_corrupt", "{fault}");
    }
}

#[test]
fn test_flat_state_that_is_not_the_tries_is_seen_in_files_whose_checksums_are_right() {
    let forge = |forge: &dyn Fn(&mut Block)| {
        let dir = tempfile::tempdir().unwrap();
        let store = common::open(dir.path(), History::Archive);
        let mut parent: Option<Block> = None;
        for n in 0..6 {
            let block = next_block(parent.as_ref(), SEED, SIZE);
            let mut written = block.clone();
            if n == 5 {
                forge(&mut written);
            }
            store.commit(&written.data()).unwrap();
            parent = Some(block);
        }
        store.verify(None, &mut |_, _, _| {}).map_err(|fault| fault.to_string())
    };
    let honest = forge(&|_| {}).unwrap();
    assert!(honest.accounts > 0 && honest.slots > 0);
    let more = |block: &mut Block| {
        let account = block.diff.accounts.iter_mut().find_map(|(_, change)| change.new.as_mut()).unwrap();
        account.balance += U256::from(1);
    };
    assert!(forge(&more).unwrap_err().contains("flat accounts"));
    // As many slots, of other values: each has another's.
    let swapped = |block: &mut Block| {
        let slots = &mut block.diff.slots;
        let set: Vec<usize> = (0..slots.len()).filter(|&i| !slots[i].2.new.is_zero()).collect();
        let values: Vec<U256> = set.iter().map(|&i| slots[i].2.new).collect();
        for (i, &at) in set.iter().enumerate() {
            slots[at].2.new = values[(i + 1) % set.len()];
        }
    };
    assert!(forge(&swapped).unwrap_err().contains("flat slots"));
}

/// A small file system of its own, taken down at the end.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        done.is_ok_and(|s| s.success()).then_some(Self(dir))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn test_full_disk_refuses_writes_and_loses_nothing() {
    let Some(small_disk) = Small::mount() else {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    };
    let dir = small_disk.0.path().join("store");
    let mut chain = Vec::new();
    let store = Arc::new(Store::open(&dir, small()).unwrap());
    let fault = loop {
        let block = next_block(chain.last(), SEED, SIZE);
        match store.commit(&block.data()) {
            Ok(()) => chain.push(block),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.code(), "store_disk_full", "{fault}");
    let next = next_block(chain.last(), SEED, SIZE);
    for refused in [store.commit(&next.data()), store.put_meta(b"act", b"more"), store.unwind_to(1)] {
        assert_eq!(refused.unwrap_err().code(), "store_disk_full");
    }
    assert_eq!(store.fault().unwrap().code(), "store_disk_full");
    let everybody: Vec<Address> = (0..4 * SIZE).map(who).collect();
    let check = |store: &Arc<Store>| {
        for block in chain.iter().rev().take(30) {
            check_block(store, block).unwrap();
            if block.header.number >= store.earliest_state() {
                check_state(store, block, &everybody).unwrap();
            }
        }
    };
    check(&store);
    drop(store);
    // Still full: it opens and reads.
    let store = Arc::new(Store::open(&dir, small()).unwrap());
    assert_eq!(store.head().unwrap().hash, chain.last().unwrap().hash);
    check(&store);
    drop(store);
    let grown =
        Command::new("mount").args(["-o", "remount,size=64m"]).arg(small_disk.0.path()).status().unwrap();
    assert!(grown.success());
    let store = Arc::new(Store::open(&dir, small()).unwrap());
    store.commit(&next.data()).unwrap();
    store.verify(None, &mut |_, _, _| {}).unwrap();
}

#[test]
fn test_full_disk_that_a_flush_meets_first_is_what_every_write_answers() {
    let Some(small_disk) = Small::mount() else {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    };
    let dir = small_disk.0.path().join("store");
    let store = Arc::new(Store::open(&dir, small()).unwrap());
    let (first, filler) = (next_block(None, SEED, SIZE), small_disk.0.path().join("filler"));
    store.commit(&first.data()).unwrap();
    let full = fs::write(&filler, vec![1; 16 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    // No write of the log comes before the thread that flushes.
    assert_eq!(store.compact(&mut |_, _| {}).unwrap_err().code(), "store_disk_full");
    fs::remove_file(&filler).unwrap();
    let next = next_block(Some(&first), SEED, SIZE);
    for _ in 0..2 {
        let refused = store.commit(&next.data()).unwrap_err();
        assert_eq!(refused.code(), "store_disk_full", "{refused}");
    }
    assert_eq!(store.fault().unwrap().code(), "store_disk_full");
    check_block(&store, &first).unwrap();
    drop(store);
    let store = Arc::new(Store::open(&dir, small()).unwrap());
    store.commit(&next.data()).unwrap();
    store.verify(None, &mut |_, _, _| {}).unwrap();
}
