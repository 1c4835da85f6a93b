//! Embedded databases on the work pattern of a rollup node's store.
//!
//! `trex-bench-store run ENGINE DIR BLOCKS [SECONDS]` commits durable blocks of 5,000 transfers to fresh
//! accounts and prints one table row. `serve ENGINE DIR` commits for ever and prints each acknowledged
//! block (to be killed); `check ENGINE DIR ACKED` opens, times the opening, and reads every block back.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

type Res<T> = Result<T, Box<dyn std::error::Error>>;
type Put = (usize, Vec<u8>, Vec<u8>);

const TABLES: [&str; 6] = ["account", "node", "account_history", "node_history", "tx", "block"];
const BLOCK: usize = 5;
const TXS: u64 = 5_000;
const SENDERS: u64 = 5_000;

/// What a store asks of an engine.
trait Engine {
    /// One atomic, durable batch.
    fn commit(&mut self, puts: Vec<Put>) -> Res<()>;
    /// A point read.
    fn get(&self, table: usize, key: &[u8]) -> Res<Option<Vec<u8>>>;
    /// First entry at or after a key.
    fn seek(&self, table: usize, key: &[u8]) -> Res<Option<Vec<u8>>>;
}

struct Fjall {
    db: fjall::Database,
    ks: Vec<fjall::Keyspace>,
}

impl Fjall {
    fn open(dir: &Path) -> Res<Self> {
        let db = fjall::Database::builder(dir)
            .cache_size(256 << 20)
            .max_journaling_size(192 << 20)
            .max_write_buffer_size(Some(128 << 20))
            .manual_journal_persist(true)
            .worker_threads(2)
            .open()?;
        let mut ks = Vec::new();
        for (i, t) in TABLES.iter().enumerate() {
            ks.push(db.keyspace(t, || {
                let o = fjall::KeyspaceCreateOptions::default().max_memtable_size(16 << 20);
                if i == BLOCK { o.with_kv_separation(Some(fjall::KvSeparationOptions::default())) } else { o }
            })?);
        }
        Ok(Self { db, ks })
    }
}

impl Engine for Fjall {
    fn commit(&mut self, puts: Vec<Put>) -> Res<()> {
        let mut b = self.db.batch().durability(Some(fjall::PersistMode::SyncData));
        for (t, k, v) in puts {
            b.insert(&self.ks[t], k, v);
        }
        Ok(b.commit()?)
    }
    fn get(&self, t: usize, k: &[u8]) -> Res<Option<Vec<u8>>> {
        Ok(self.ks[t].get(k)?.map(|v| v.to_vec()))
    }
    fn seek(&self, t: usize, k: &[u8]) -> Res<Option<Vec<u8>>> {
        match self.ks[t].range(k.to_vec()..).next() {
            Some(g) => Ok(Some(g.into_inner()?.0.to_vec())),
            None => Ok(None),
        }
    }
}

struct Redb(redb::Database);

fn redb_table(t: usize) -> redb::TableDefinition<'static, &'static [u8], &'static [u8]> {
    redb::TableDefinition::new(TABLES[t])
}

impl Redb {
    fn open(dir: &Path) -> Res<Self> {
        fs::create_dir_all(dir)?;
        let db = redb::Builder::new().set_cache_size(256 << 20).create(dir.join("redb"))?;
        let tx = db.begin_write()?;
        for t in 0..TABLES.len() {
            tx.open_table(redb_table(t))?;
        }
        tx.commit()?;
        Ok(Self(db))
    }
}

impl Engine for Redb {
    fn commit(&mut self, mut puts: Vec<Put>) -> Res<()> {
        puts.sort();
        let tx = self.0.begin_write()?;
        {
            let mut open: Vec<_> =
                (0..TABLES.len()).map(|t| tx.open_table(redb_table(t))).collect::<Result<_, _>>()?;
            for (t, k, v) in &puts {
                open[*t].insert(k.as_slice(), v.as_slice())?;
            }
        }
        Ok(tx.commit()?)
    }
    fn get(&self, t: usize, k: &[u8]) -> Res<Option<Vec<u8>>> {
        use redb::ReadableDatabase;
        Ok(self.0.begin_read()?.open_table(redb_table(t))?.get(k)?.map(|v| v.value().to_vec()))
    }
    fn seek(&self, t: usize, k: &[u8]) -> Res<Option<Vec<u8>>> {
        use redb::ReadableDatabase;
        let table = self.0.begin_read()?.open_table(redb_table(t))?;
        let mut range = table.range::<&[u8]>(k..)?;
        match range.next() {
            Some(e) => Ok(Some(e?.0.value().to_vec())),
            None => Ok(None),
        }
    }
}

type Raw = heed::Database<heed::types::Bytes, heed::types::Bytes>;

struct Lmdb {
    env: heed::Env,
    dbs: Vec<Raw>,
}

impl Lmdb {
    fn open(dir: &Path) -> Res<Self> {
        fs::create_dir_all(dir)?;
        // SAFETY: one process opens the folder, once.
        let env = unsafe { heed::EnvOpenOptions::new().map_size(64 << 30).max_dbs(8).open(dir)? };
        let mut tx = env.write_txn()?;
        let dbs = TABLES.iter().map(|t| env.create_database(&mut tx, Some(t))).collect::<Result<_, _>>()?;
        tx.commit()?;
        Ok(Self { env, dbs })
    }
}

impl Engine for Lmdb {
    fn commit(&mut self, mut puts: Vec<Put>) -> Res<()> {
        puts.sort();
        let mut tx = self.env.write_txn()?;
        for (t, k, v) in &puts {
            self.dbs[*t].put(&mut tx, k, v)?;
        }
        Ok(tx.commit()?)
    }
    fn get(&self, t: usize, k: &[u8]) -> Res<Option<Vec<u8>>> {
        let tx = self.env.read_txn()?;
        Ok(self.dbs[t].get(&tx, k)?.map(<[u8]>::to_vec))
    }
    fn seek(&self, t: usize, k: &[u8]) -> Res<Option<Vec<u8>>> {
        let tx = self.env.read_txn()?;
        Ok(self.dbs[t].get_greater_than_or_equal_to(&tx, k)?.map(|e| e.0.to_vec()))
    }
}

/// A block log of our own (sequential, checksummed, synced once a block: write-ahead log and home of
/// bodies, receipts and old trie nodes at once) under trees of `lsm-tree`, which keep no log.
struct LogLsm {
    log: File,
    end: u64,
    seq: lsm_tree::SequenceNumberCounter,
    trees: Vec<lsm_tree::AnyTree>,
    since_flush: u64,
    work: Option<std::sync::mpsc::SyncSender<u64>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

const FLUSH_EVERY: u64 = 64 << 20;

impl LogLsm {
    fn open(dir: &Path) -> Res<Self> {
        use lsm_tree::AbstractTree;
        fs::create_dir_all(dir)?;
        let seq = lsm_tree::SequenceNumberCounter::default();
        let cache = Arc::new(lsm_tree::Cache::with_capacity_bytes(256 << 20));
        let mut trees = Vec::new();
        for t in TABLES {
            let config =
                lsm_tree::Config::new(dir.join(t), seq.clone(), Default::default()).use_cache(cache.clone());
            trees.push(config.open()?);
        }
        let log = File::options().read(true).append(true).create(true).open(dir.join("log"))?;
        let persisted: Vec<_> = trees.iter().map(|t| t.get_highest_persisted_seqno()).collect();
        seq.set(persisted.iter().flatten().max().map_or(1, |s| s + 1));
        // Replay what some tree lacks, backwards bounded by FLUSH_EVERY: the position file says where to start.
        let start: u64 = fs::read_to_string(dir.join("start")).ok().and_then(|s| s.parse().ok()).unwrap_or(0);
        let size = log.metadata()?.len();
        let mut buf = vec![0; (size - start) as usize];
        log.read_exact_at(&mut buf, start)?;
        let mut at = 0;
        while buf.len() >= at + 24 {
            let word = |o: usize| u64::from_le_bytes(buf[at + o..at + o + 8].try_into().unwrap_or_default());
            let (len, sum, s) = (word(0) as usize, word(8), word(16));
            let Some(body) = buf.get(at + 24..at + 24 + len) else { break };
            if xxhash_rust::xxh3::xxh3_64(body) != sum {
                break;
            }
            let mut p = 0;
            while p < body.len() {
                let t = body[p] as usize;
                let kl = body[p + 1] as usize;
                let vl = u32::from_le_bytes(body[p + 2..p + 6].try_into()?) as usize;
                let (k, v) = (&body[p + 6..p + 6 + kl], &body[p + 6 + kl..p + 6 + kl + vl]);
                if t != BLOCK && persisted[t].is_none_or(|x| s > x) {
                    trees[t].insert(k, v, s);
                }
                p += 6 + kl + vl;
            }
            seq.fetch_max(s + 1);
            at += 24 + len;
        }
        log.set_len(start + at as u64)?;
        let (tx, rx) = std::sync::mpsc::sync_channel::<u64>(0);
        let mine = trees.clone();
        let dir = dir.to_owned();
        let thread = std::thread::spawn(move || {
            let strategy =
                Arc::new(lsm_tree::compaction::Leveled::default().with_table_target_size(16 << 20));
            while let Ok(first) = rx.recv() {
                let (pos, seq) = (first >> 24, (first & 0xff_ffff) << 0);
                for t in &mine {
                    let lock = t.get_flush_lock();
                    let _ = t.flush(&lock, seq.saturating_sub(1));
                }
                let _ = fs::write(dir.join("start.new"), pos.to_string());
                let _ = fs::rename(dir.join("start.new"), dir.join("start"));
                for t in &mine {
                    for _ in 0..4 {
                        let _ = t.compact(strategy.clone(), seq.saturating_sub(1));
                    }
                }
            }
        });
        Ok(Self {
            end: start + at as u64,
            log,
            seq,
            trees,
            since_flush: 0,
            work: Some(tx),
            thread: Some(thread),
        })
    }
}

impl Drop for LogLsm {
    fn drop(&mut self) {
        self.work = None;
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}

impl Engine for LogLsm {
    fn commit(&mut self, mut puts: Vec<Put>) -> Res<()> {
        use lsm_tree::AbstractTree;
        puts.sort();
        let s = self.seq.next();
        let mut out = vec![0; 24];
        for (t, k, v) in &puts {
            out.push(*t as u8);
            out.push(k.len() as u8);
            out.extend_from_slice(&(v.len() as u32).to_le_bytes());
            out.extend_from_slice(k);
            out.extend_from_slice(v);
        }
        let sum = xxhash_rust::xxh3::xxh3_64(&out[24..]);
        let len = (out.len() - 24) as u64;
        out[..8].copy_from_slice(&len.to_le_bytes());
        out[8..16].copy_from_slice(&sum.to_le_bytes());
        out[16..24].copy_from_slice(&s.to_le_bytes());
        self.log.write_all(&out)?;
        self.log.sync_data()?;
        let mut at = self.end + 24;
        for (t, k, v) in puts {
            let next = at + 6 + (k.len() + v.len()) as u64;
            // Bulk lives in the log: the trees hold where.
            let v = if t == BLOCK || t == 3 { at.to_le_bytes().to_vec() } else { v };
            self.trees[t].insert(k, v, s);
            at = next;
        }
        self.end += out.len() as u64;
        self.since_flush += out.len() as u64;
        if self.since_flush > FLUSH_EVERY {
            for t in &self.trees {
                t.rotate_memtable();
            }
            self.since_flush = 0;
            if let Some(w) = &self.work {
                w.send(self.end << 24 | s & 0xff_ffff)?;
            }
        }
        Ok(())
    }
    fn get(&self, t: usize, k: &[u8]) -> Res<Option<Vec<u8>>> {
        use lsm_tree::AbstractTree;
        Ok(self.trees[t].get(k, self.seq.get())?.map(|v| v.to_vec()))
    }
    fn seek(&self, t: usize, k: &[u8]) -> Res<Option<Vec<u8>>> {
        use lsm_tree::{AbstractTree, Guard};
        match self.trees[t].range(k.to_vec().., self.seq.get(), None).next() {
            Some(g) => Ok(Some(g.into_inner()?.0.to_vec())),
            None => Ok(None),
        }
    }
}

fn open(name: &str, dir: &Path) -> Res<Box<dyn Engine>> {
    Ok(match name {
        "fjall" => Box::new(Fjall::open(dir)?),
        "redb" => Box::new(Redb::open(dir)?),
        "lmdb" => Box::new(Lmdb::open(dir)?),
        "log+lsm-tree" => Box::new(LogLsm::open(dir)?),
        _ => return Err("engines: fjall redb lmdb log+lsm-tree".into()),
    })
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Bytes that no engine can compress, from a seed.
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

/// Address of account number `i`.
fn account(i: u64) -> Vec<u8> {
    noise(i + 1, 20)
}

fn block(n: u64) -> Vec<Put> {
    let mut puts = Vec::new();
    let fresh = SENDERS + n * TXS;
    let depth = ((fresh.max(16) as f64).log2() / 4.0).ceil() as usize;
    let be = n.to_be_bytes();
    let with = |mut k: Vec<u8>| {
        k.extend_from_slice(&be);
        k
    };
    let mut branches = BTreeSet::new();
    for i in 0..TXS {
        let sender = mix(n << 20 | i) % SENDERS;
        for (who, old) in [(sender, 70), (fresh + i, 1)] {
            let key = account(who);
            puts.push((0, key.clone(), noise(n << 24 | i, 70)));
            puts.push((2, with(key), noise(n << 25 | i, old)));
            let path = noise(who ^ 0xabc_def0, 32);
            for d in 0..depth {
                let mut p = path[..d.div_ceil(2)].to_vec();
                if d % 2 == 1 {
                    p[d / 2] &= 0xf0;
                }
                p.push(d as u8);
                branches.insert(p);
            }
            let mut leaf = path[..(depth + 2) / 2].to_vec();
            leaf.push(depth as u8 + 100);
            puts.push((1, leaf.clone(), noise(who ^ n, 110)));
            puts.push((3, with(leaf), noise(who, if old == 1 { 1 } else { 110 })));
        }
        puts.push((4, noise(n << 26 | i, 32), be.to_vec()));
    }
    for p in branches {
        let width = if p.last().copied().unwrap_or(0) as usize + 1 < depth { 532 } else { 150 };
        puts.push((1, p.clone(), noise(n, width)));
        puts.push((3, with(p), noise(n, width)));
    }
    puts.push((BLOCK, be.to_vec(), noise(n, 600_000)));
    puts
}

fn cpu() -> f64 {
    // SAFETY: plain out parameter.
    let u = unsafe {
        let mut u: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut u);
        u
    };
    let s = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    s(u.ru_utime) + s(u.ru_stime)
}

/// Peak of anonymous memory is what a node is charged for: mapped files are the kernel's to drop.
fn memory(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines()
        .find(|l| l.starts_with(field))
        .and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

fn disk(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(list) = fs::read_dir(dir) else { return 0 };
    list.flatten()
        .map(|e| e.metadata().map_or(0, |m| if m.is_dir() { disk(&e.path()) } else { m.blocks() * 512 }))
        .sum()
}

fn run(name: &str, dir: &Path, blocks: u64, limit: Duration) -> Res<()> {
    let mut e = open(name, dir)?;
    let (mut committing, mut cpu_used, mut puts_made, mut worst) = (Duration::ZERO, 0.0, 0, Duration::ZERO);
    let (mut anon, mut done, mut logical) = (0, 0, 0);
    let (mut last, mut read_hit, mut read_miss, mut reads) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0u32);
    for n in 0..blocks {
        let puts = block(n);
        puts_made += puts.len();
        logical += puts.iter().map(|p| p.1.len() + p.2.len()).sum::<usize>();
        // Reads as a block makes them: its senders are there, its recipients are not yet.
        let r = Instant::now();
        let c = cpu();
        for i in 0..1000 {
            if e.get(0, &account(mix(n ^ i) % (n * TXS + SENDERS).min(n * TXS + 1)))?.is_none() && n > 3 {
                // Senders that never sent are missing as well: nothing to check.
            }
        }
        read_hit += r.elapsed();
        let r = Instant::now();
        for i in 0..1000 {
            let _ = e.get(0, &account(SENDERS + (n + 1) * TXS + i))?;
        }
        read_miss += r.elapsed();
        reads += 1000;
        let t = Instant::now();
        e.commit(puts)?;
        let t = t.elapsed();
        cpu_used += cpu() - c;
        worst = worst.max(t);
        committing += t;
        if n >= blocks - blocks / 4 {
            last += t;
        }
        anon = anon.max(memory("RssAnon"));
        done = n + 1;
        if committing > limit {
            break;
        }
    }
    let r = Instant::now();
    for i in 0..1000u64 {
        let mut k = account(SENDERS + mix(i) % (done * TXS));
        k.extend_from_slice(&0u64.to_be_bytes());
        e.seek(2, &k)?;
    }
    let seek = r.elapsed() / 1000;
    let c = cpu();
    drop(e);
    let cpu_used = cpu_used + cpu() - c;
    let txs = done * TXS;
    println!(
        "| {name} | {} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} | {anon} |",
        txs + SENDERS,
        txs as f64 / committing.as_secs_f64(),
        cpu_used * 1e6 / txs as f64,
        worst.as_millis(),
        read_hit.as_micros() as f64 / f64::from(reads),
        read_miss.as_micros() as f64 / f64::from(reads),
        seek.as_micros(),
        if last.is_zero() { 0.0 } else { (blocks / 4 * TXS) as f64 / last.as_secs_f64() / 1000.0 },
        logical as f64 / 1e9,
        disk(dir) as f64 / 1e9,
    );
    let _ = puts_made;
    Ok(())
}

fn main() -> Res<()> {
    let args: Vec<String> = std::env::args().collect();
    let usage = "run ENGINE DIR BLOCKS [SECONDS] | serve ENGINE DIR | check ENGINE DIR ACKED";
    let (Some(verb), Some(name), Some(dir)) = (args.get(1), args.get(2), args.get(3).map(PathBuf::from))
    else {
        return Err(usage.into());
    };
    let number = |i: usize, or: u64| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(or);
    match verb.as_str() {
        "run" => run(name, &dir, number(4, 200), Duration::from_secs(number(5, 60)))?,
        "serve" => {
            let mut e = open(name, &dir)?;
            for n in number(4, 0).. {
                if let Err(fault) = e.commit(block(n)) {
                    println!("refused {n}: {fault}");
                    let reads = e.get(0, &account(SENDERS)).map(|v| v.is_some());
                    println!("reads after: {reads:?}");
                    return Ok(());
                }
                println!("{n}");
                std::io::stdout().flush()?;
            }
        }
        "check" => {
            let t = Instant::now();
            let e = open(name, &dir)?;
            let opened = t.elapsed();
            let (mut missing, mut wrong) = (0, 0);
            for n in 0..=number(4, 0) {
                for (t, k, v) in block(n) {
                    if t != 2 && t != 4 {
                        continue;
                    }
                    match e.get(t, &k) {
                        Ok(Some(got)) if got == v || t == 2 => {}
                        Ok(None) => missing += 1,
                        Ok(Some(_)) => wrong += 1,
                        Err(fault) => {
                            println!("read refused: {fault}");
                            return Ok(());
                        }
                    }
                }
            }
            println!("opened in {opened:.2?}, missing {missing}, wrong {wrong}");
        }
        _ => return Err(usage.into()),
    }
    Ok(())
}
