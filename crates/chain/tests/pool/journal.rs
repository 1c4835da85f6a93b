//! What was answered with a hash is there after a kill.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use trex_chain::pool::{JournalError, Pool, PoolError, Restored};
use trex_stf::transaction::Transaction;

use super::*;

/// Bytes before the first record.
const HEADER: usize = 36;
const CHILD: &str = "TREX_TEST_POOL_JOURNAL";

fn open(path: &Path) -> (Pool, Restored) {
    Pool::open(config(), Some(path), &funded(), head()).unwrap()
}

fn submit(pool: &Pool, raw: Vec<Bytes>) -> Vec<Result<B256, PoolError>> {
    let state = funded();
    pool.submit(raw, || (&state, head()))
}

/// A journal of `count` transactions of one sender, and their hashes.
fn filled(folder: &Path, count: u64) -> (PathBuf, Vec<B256>) {
    let path = folder.join("pool.journal");
    let (pool, _) = open(&path);
    let raw = (0..count).map(|index| sign(transfer(5 + index), &key(1))).collect();
    let hashes = submit(&pool, raw).into_iter().collect::<Result<_, _>>().unwrap();
    (path, hashes)
}

#[test]
fn what_is_about_to_be_unwound_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool.journal");
    let raw: Vec<Bytes> = (0..3).map(|index| sign(transfer(5 + index), &key(1))).collect();
    let orphaned: Vec<_> = raw.iter().map(|raw| Transaction::decode(raw.clone()).unwrap()).collect();
    let (pool, _) = open(&path);
    pool.remember(&orphaned).unwrap();
    assert_eq!(pool.status().pending, 0, "nothing is unwound yet");
    drop(pool);
    let (pool, restored) = open(&path);
    assert_eq!(restored.transactions, 3);
    assert!(raw.iter().all(|raw| pool.get(&hash(raw)).is_some()));
}

/// Not a test of its own: the process the others kill. Submits without end and prints each hash once
/// it is answered.
#[test]
fn child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let (pool, _) = open(Path::new(&path));
    let mut out = std::io::stdout().lock();
    for nonce in 5.. {
        let raw = (1..=20).map(|index| sign(transfer(nonce), &key(index))).collect();
        for result in submit(&pool, raw) {
            match result {
                Ok(hash) => writeln!(out, "{hash}").unwrap(),
                Err(error @ PoolError::Journal(_)) => {
                    writeln!(out, "refused {} {error}", pool.status().pending).unwrap();
                    return;
                }
                // From the journal of the run before.
                Err(error) => assert_eq!(error, PoolError::AlreadyKnown),
            }
        }
        out.flush().unwrap();
    }
}

fn child_command(path: &Path, shell: &str) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{shell} exec \"$0\" --exact journal::child --nocapture")])
        .arg(program)
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

fn hashes_of(line: &str) -> Option<B256> {
    line.trim().parse().ok()
}

#[test]
fn kills_lose_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool.journal");
    let mut answered = Vec::new();
    for round in 0..10u64 {
        let mut child = child_command(&path, "").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut wanted = 40 + round * 37;
        while wanted > 0 && Instant::now() < deadline {
            let line = lines.next().unwrap().unwrap();
            if let Some(hash) = hashes_of(&line) {
                answered.push(hash);
                wanted -= 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        answered.extend(lines.map_while(Result::ok).filter_map(|line| hashes_of(&line)));
        let (pool, restored) = open(&path);
        assert_eq!(restored.damaged_bytes, 0);
        for hash in &answered {
            assert!(pool.get(hash).is_some(), "round {round}: lost {hash}");
        }
    }
}

#[test]
fn full_disk_refuses_and_accepts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool.journal");
    // Files of at most 10 KiB; the signal of the limit ignored, so that writes fail.
    let output = child_command(&path, "trap '' XFSZ; ulimit -f 20;").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answered: Vec<_> = text.lines().filter_map(hashes_of).collect();
    let refused = text.lines().find(|line| line.starts_with("refused")).unwrap();
    assert!(refused.contains("the pool's journal cannot be written: File too large"), "{refused}");
    assert!(refused.starts_with(&format!("refused {} ", answered.len())), "{refused}");
    let (pool, restored) = open(&path);
    assert_eq!((restored.torn_bytes, restored.transactions), (0, answered.len()));
    assert!(!answered.is_empty() && answered.iter().all(|hash| pool.get(hash).is_some()));
}

#[test]
fn torn_end_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let (path, hashes) = filled(folder.path(), 3);
    let whole = fs::read(&path).unwrap();
    let record = (whole.len() - HEADER) / 3;
    for cut in 1..record {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let (pool, restored) = open(&path);
        assert_eq!((restored.transactions, restored.torn_bytes), (2, (record - cut) as u64));
        assert!(pool.get(&hashes[1]).is_some() && pool.get(&hashes[2]).is_none());
    }
    assert!(!path.with_extension("damaged").exists());
}

#[test]
fn damage_is_skipped_and_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (path, hashes) = filled(folder.path(), 5);
    let whole = fs::read(&path).unwrap();
    let record = (whole.len() - HEADER) / 5;
    // Any byte of the second record: marker, length, payload, checksum.
    for at in (0..record).step_by(3) {
        let mut bytes = whole.clone();
        bytes[HEADER + record + at] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        let (pool, restored) = open(&path);
        assert_eq!((restored.transactions, restored.damaged_bytes), (4, record as u64), "byte {at}");
        assert!(pool.get(&hashes[1]).is_none() && pool.get(&hashes[4]).is_some());
        assert_eq!(fs::read(restored.damaged_journal.unwrap()).unwrap(), bytes);
    }
}

#[test]
fn foreign_files_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = filled(folder.path(), 1);
    let whole = fs::read(&path).unwrap();

    let mut other = whole.clone();
    other[12] ^= 1;
    fs::write(&path, &other).unwrap();
    let error = Pool::open(config(), Some(&path), &funded(), head()).unwrap_err();
    assert!(matches!(error, JournalError::WrongChain { want: CHAIN_ID, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), other, "left as it was");

    let mut later = whole.clone();
    later[8] = 9;
    fs::write(&path, &later).unwrap();
    let error = Pool::open(config(), Some(&path), &funded(), head()).unwrap_err();
    assert!(matches!(error, JournalError::Version(9)), "{error}");

    for garbage in [vec![], vec![7; 10], vec![0xf5; 10_000]] {
        fs::write(&path, &garbage).unwrap();
        let (pool, restored) = open(&path);
        assert_eq!((pool.status().pending, restored.damaged_bytes), (0, garbage.len() as u64));
    }
}

#[test]
fn included_and_discarded_do_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, hashes) = filled(folder.path(), 4);
    {
        let (pool, _) = open(&path);
        assert_eq!(pool.discard(&[hashes[3], B256::ZERO]).unwrap(), [hashes[3]]);
    }
    let mut state = funded();
    state.accounts.entry(address(&key(1))).or_default().nonce = 6;
    let (pool, restored) = Pool::open(config(), Some(&path), &state, head()).unwrap();
    assert_eq!((restored.transactions, restored.obsolete), (2, 1));
    assert!(pool.get(&hashes[0]).is_none() && pool.get(&hashes[3]).is_none());
    // Discarded is not banned.
    let again = sign(transfer(8), &key(1));
    assert_eq!(pool.submit(vec![again], || (&state, head())), [Ok(hashes[3])]);
    drop(pool);
    assert!(Pool::open(config(), Some(&path), &state, head()).unwrap().0.get(&hashes[3]).is_some());
}

#[test]
fn journal_is_rewritten_when_mostly_dead() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool.journal");
    let (pool, _) = open(&path);
    let mut state = funded();
    let sender = address(&key(1));
    let mut largest = 0;
    for nonce in 5..255 {
        let mut tx = transfer(nonce);
        (tx.gas_limit, tx.input) = (6_000_000, vec![1; 120_000].into());
        pool.submit(vec![sign(tx, &key(1))], || (&state, head())).remove(0).unwrap();
        state.accounts.entry(sender).or_default().nonce = nonce + 1;
        let change = trex_stf::state::Change { old: None, new: state.accounts.get(&sender).copied() };
        let diff = trex_stf::state::StateDiff { accounts: vec![(sender, change)], ..Default::default() };
        pool.advance(head(), &diff);
        largest = largest.max(fs::metadata(&path).unwrap().len());
    }
    assert!((1 << 20..18 << 20).contains(&largest), "{largest}");
    assert_eq!(pool.status().journal_bytes, fs::metadata(&path).unwrap().len());
}
