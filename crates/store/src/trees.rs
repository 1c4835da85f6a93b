//! The sorted tables: log-structured merge trees (`lsm-tree`), fed from the block log, flushed and
//! compacted by two threads.
//!
//! Every entry carries the sequence number of the record that made it, so a reader that holds a
//! [`Snapshot`] sees the tables as of one record whatever is written meanwhile.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use lsm_tree::{AbstractTree, AnyTree, Cache, Config, DescriptorTable, Guard, SequenceNumberCounter};

use crate::{
    checkpoint::{Checkpoint, read_checkpoint, write_checkpoint},
    error::{Result, StoreError},
    log::{FLAT, LogReader, NODES, Pos},
    record::{self, Position},
};

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// Accounts, slots, codes as of the head.
    Flat,
    /// Trie nodes as of the head, by place.
    Node,
    /// Values before each change, by key and block.
    History,
    /// Blocks and transactions by number and hash; meta entries.
    Lookup,
    /// Logs by address and topic, transactions by address.
    Index,
}

impl Table {
    pub(crate) const ALL: [Self; 5] = [Self::Flat, Self::Node, Self::History, Self::Lookup, Self::Index];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Node => "node",
            Self::History => "history",
            Self::Lookup => "lookup",
            Self::Index => "index",
        }
    }
}

/// One write: a table, a key, and its value or `None` to remove it.
pub(crate) type Op = (Table, Vec<u8>, Option<lsm_tree::Slice>);

/// Entries of one block from which on two threads write them.
const SPLIT_OPS: usize = 1024;

/// Level-0 runs above which a writer waits for compaction.
const MAX_RUNS: usize = 20;

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every value behind these locks is whole between statements, so a panic elsewhere leaves it usable.
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls into the tree engine. It panics on some damaged bytes; to us that is damage too.
fn guarded<T>(table: Table, f: impl FnOnce() -> lsm_tree::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(v)) => Ok(v),
        Ok(Err(e)) => Err(StoreError::tree(table.name(), &e)),
        Err(panic) => {
            let words = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                .unwrap_or_default();
            Err(StoreError::corrupt(
                format!("table {}", table.name()),
                format!("the engine gave up: {words}"),
            ))
        }
    }
}

#[derive(Default)]
struct Keeping {
    /// A flush to do: replay may begin at this place once it is done.
    due: Option<Pos>,
    flushing: bool,
    compact: bool,
    stop: bool,
    fault: Option<StoreError>,
    /// Newest block pruned by the record before each sequence number.
    pruned: Vec<(u64, u64)>,
}

struct Inner {
    dir: PathBuf,
    trees: Vec<AnyTree>,
    seq: SequenceNumberCounter,
    /// Sequence number of the last published record plus one, and the open snapshots.
    open: Mutex<(u64, BTreeMap<u64, usize>)>,
    keeping: Mutex<Keeping>,
    wake: Condvar,
    memtable_bytes: u64,
    /// Newest block whose state sections were given back, with all pruned before it. A flush alone
    /// touches it.
    punched: Mutex<u64>,
}

impl Inner {
    fn tree(&self, table: Table) -> &AnyTree {
        &self.trees[table as usize]
    }

    /// Versions below this are seen by nobody.
    fn watermark(&self) -> u64 {
        let open = lock(&self.open);
        open.1.keys().next().copied().unwrap_or(open.0).min(open.0).saturating_sub(1)
    }
}

/// A fixed view of the tables; while it lives, what it sees is kept.
pub(crate) struct Snapshot {
    inner: Arc<Inner>,
    seq: u64,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mut open = lock(&self.inner.open);
        if let Some(n) = open.1.get_mut(&self.seq) {
            *n -= 1;
            if *n == 0 {
                open.1.remove(&self.seq);
            }
        }
    }
}

impl Snapshot {
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<lsm_tree::Slice>> {
        guarded(table, || self.inner.tree(table).get(key, self.seq))
    }

    /// Entries from `from` to `to`, both included, in order.
    pub(crate) fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Entries<'_>> {
        let (from, to) = (from.to_vec(), to.to_vec());
        let iter = guarded(table, || Ok(self.inner.tree(table).range(from..=to, self.seq, None)))?;
        Ok(Entries { table, iter, _snapshot: self })
    }

    /// First entry from `from` to `to`, both included.
    pub(crate) fn first(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Option<Entry>> {
        self.range(table, from, to)?.next().transpose()
    }

    /// Last entry from `from` to `to`, both included.
    pub(crate) fn last(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Option<Entry>> {
        self.range(table, from, to)?.next_back().transpose()
    }
}

/// Key and value.
pub(crate) type Entry = (lsm_tree::Slice, lsm_tree::Slice);

/// Entries of a range.
pub(crate) struct Entries<'a> {
    table: Table,
    iter: Box<dyn DoubleEndedIterator<Item = lsm_tree::IterGuardImpl> + Send + 'static>,
    _snapshot: &'a Snapshot,
}

impl Entries<'_> {
    fn turn(&mut self, back: bool) -> Option<Result<Entry>> {
        let iter = &mut self.iter;
        guarded(self.table, || {
            (if back { iter.next_back() } else { iter.next() }).map(Guard::into_inner).transpose()
        })
        .transpose()
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        self.turn(false)
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.turn(true)
    }
}

/// All tables and their two threads.
pub(crate) struct Trees {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
    persisted: Vec<Option<u64>>,
}

impl Drop for Trees {
    fn drop(&mut self) {
        lock(&self.inner.keeping).stop = true;
        self.inner.wake.notify_all();
        for t in self.threads.drain(..) {
            let _ = t.join();
        }
    }
}

impl Trees {
    /// Opens the tables and says from where in the log they must be refilled.
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<(Self, Pos)> {
        std::fs::create_dir_all(dir).map_err(|e| StoreError::io("tables", &e))?;
        let seq = SequenceNumberCounter::new(1);
        let cache = Arc::new(Cache::with_capacity_bytes(cache_bytes / 2));
        let files = Arc::new(DescriptorTable::new(256));
        let mut trees = Vec::new();
        for table in Table::ALL {
            let config = Config::new(dir.join(table.name()), seq.clone(), SequenceNumberCounter::default())
                .use_cache(cache.clone())
                .use_descriptor_table(Some(files.clone()));
            trees.push(guarded(table, || config.open())?);
        }
        let persisted: Vec<_> = trees.iter().map(AbstractTree::get_highest_persisted_seqno).collect();
        seq.fetch_max(persisted.iter().flatten().max().map_or(1, |s| s + 1));
        let Checkpoint { start, punched } = read_checkpoint(dir)?;
        let inner = Arc::new(Inner {
            dir: dir.to_owned(),
            trees,
            seq,
            open: Mutex::new((0, BTreeMap::new())),
            keeping: Mutex::default(),
            wake: Condvar::new(),
            memtable_bytes: (cache_bytes / 8).clamp(256 << 10, 64 << 20),
            punched: Mutex::new(punched),
        });
        Ok((Self { inner, threads: Vec::new(), persisted }, start))
    }

    /// The highest sequence number any table holds on disk.
    pub(crate) fn highest_persisted(&self) -> u64 {
        self.persisted.iter().flatten().max().copied().unwrap_or(0)
    }

    /// Writes what a replayed record did, into the tables that lack it.
    pub(crate) fn replay(&self, seq: u64, ops: Vec<Op>) {
        self.inner.seq.fetch_max(seq + 1);
        let lacking =
            ops.into_iter().filter(|op| self.persisted[op.0 as usize].is_none_or(|p| seq > p)).collect();
        self.write(seq, lacking);
        self.publish(seq);
    }

    /// Starts the threads, once nothing is left to replay.
    pub(crate) fn start(&mut self, log: &Arc<LogReader>) -> Result<()> {
        for (name, work) in
            [("trex-flush", flush_loop as fn(&Inner, &LogReader)), ("trex-compact", compact_loop)]
        {
            let (inner, log) = (self.inner.clone(), log.clone());
            let thread = std::thread::Builder::new()
                .name(name.into())
                .spawn(move || work(&inner, &log))
                .map_err(|e| StoreError::io("thread", &e))?;
            self.threads.push(thread);
        }
        Ok(())
    }

    /// Notes that the state sections of all blocks up to this one were given back.
    pub(crate) fn gave_back(&self, number: u64) {
        *lock(&self.inner.punched) = number;
    }

    /// A number for a record about to be made.
    pub(crate) fn next_seq(&self) -> u64 {
        self.inner.seq.next()
    }

    /// Writes entries that no reader sees before [`Trees::publish`].
    pub(crate) fn write(&self, seq: u64, ops: Vec<Op>) {
        if ops.len() < SPLIT_OPS {
            return self.insert(seq, ops);
        }
        // Tables share nothing: half of a block's entries go in on a thread of their own.
        let (past, present): (Vec<Op>, Vec<Op>) =
            ops.into_iter().partition(|op| matches!(op.0, Table::History | Table::Lookup));
        std::thread::scope(|scope| {
            scope.spawn(|| self.insert(seq, past));
            self.insert(seq, present);
        });
    }

    fn insert(&self, seq: u64, mut ops: Vec<Op>) {
        // Neighbours share their way down the memtable: sorting more than halves the cost.
        ops.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (table, key, value) in ops {
            let tree = self.inner.tree(table);
            match value {
                Some(v) => tree.insert(key, v, seq),
                None => tree.remove(key, seq),
            };
        }
    }

    /// Shows readers everything up to `seq`.
    ///
    /// The engine takes numbers of the same counter for its own versions, and a reader gets the version
    /// before its number: so readers stand at the counter. Behind it, they could be given a version from
    /// before the memtable that `seq` was written to.
    pub(crate) fn publish(&self, seq: u64) {
        let mut open = lock(&self.inner.open);
        open.0 = open.0.max(seq + 1).max(self.inner.seq.get());
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut open = lock(&self.inner.open);
        let seq = open.0;
        *open.1.entry(seq).or_insert(0) += 1;
        Snapshot { inner: self.inner.clone(), seq }
    }

    /// Fault of a background thread, if one had to stop.
    pub(crate) fn fault(&self) -> Option<StoreError> {
        lock(&self.inner.keeping).fault.clone()
    }

    /// Whether memory has grown enough for a flush.
    pub(crate) fn is_full(&self) -> bool {
        let memory: u64 = self.inner.trees.iter().map(|t| t.active_memtable().size()).sum();
        memory >= self.inner.memtable_bytes
    }

    /// Begins a flush of everything written so far; `end` is where the log stands, `pruned` the newest block
    /// without state. Waits when the disk does not keep up.
    pub(crate) fn flush(&self, end: Pos, pruned: u64) -> Result<()> {
        let mut k = lock(&self.inner.keeping);
        loop {
            if let Some(fault) = &k.fault {
                return Err(fault.clone());
            }
            let runs = self.inner.trees.iter().map(AbstractTree::l0_run_count).max().unwrap_or(0);
            if k.due.is_none() && !k.flushing && runs < MAX_RUNS {
                break;
            }
            k.compact |= runs >= MAX_RUNS;
            self.inner.wake.notify_all();
            k = self
                .inner
                .wake
                .wait_timeout(k, std::time::Duration::from_millis(50))
                .map_or_else(|e| e.into_inner().0, |r| r.0);
        }
        for t in &self.inner.trees {
            t.rotate_memtable();
        }
        let seq = lock(&self.inner.open).0;
        k.pruned.push((seq, pruned));
        k.due = Some(end);
        self.inner.wake.notify_all();
        Ok(())
    }

    /// Flushes everything and merges every table into one run. `progress` gets tables done and total.
    pub(crate) fn compact(
        &self,
        end: Pos,
        pruned: u64,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<()> {
        self.flush(end, pruned)?;
        let mut k = lock(&self.inner.keeping);
        while k.fault.is_none() && (k.due.is_some() || k.flushing) {
            k = self
                .inner
                .wake
                .wait_timeout(k, std::time::Duration::from_millis(50))
                .map_or_else(|e| e.into_inner().0, |r| r.0);
        }
        if let Some(fault) = &k.fault {
            return Err(fault.clone());
        }
        drop(k);
        for (i, table) in Table::ALL.into_iter().enumerate() {
            progress(i, Table::ALL.len());
            guarded(table, || self.inner.tree(table).major_compact(TABLE_BYTES, self.inner.watermark()))?;
        }
        progress(Table::ALL.len(), Table::ALL.len());
        Ok(())
    }

    /// Entries (counting versions not yet merged) and bytes on disk of a table.
    pub(crate) fn size(&self, table: Table) -> (u64, u64) {
        let tree = self.inner.tree(table);
        (tree.approximate_len() as u64, tree.disk_space())
    }

    /// Bytes in memory that are not yet in table files.
    pub(crate) fn memtable_bytes(&self) -> u64 {
        self.inner.trees.iter().map(AbstractTree::version_memtable_size_sum).sum()
    }
}

const TABLE_BYTES: u64 = 32 << 20;

/// Waits for work; `None` when it is time to stop.
fn await_work<T>(inner: &Inner, mut take: impl FnMut(&mut Keeping) -> Option<T>) -> Option<T> {
    let mut k = lock(&inner.keeping);
    loop {
        if k.stop || k.fault.is_some() {
            return None;
        }
        if let Some(work) = take(&mut k) {
            return Some(work);
        }
        k = inner.wake.wait(k).unwrap_or_else(PoisonError::into_inner);
    }
}

fn flush_loop(inner: &Inner, log: &LogReader) {
    while let Some(end) = await_work(inner, |k| {
        k.flushing = k.due.is_some();
        k.due.take()
    }) {
        let done = flush_all(inner, end, log);
        let mut k = lock(&inner.keeping);
        k.flushing = false;
        k.compact = true;
        k.fault = k.fault.take().or(done.err());
        inner.wake.notify_all();
    }
}

fn flush_all(inner: &Inner, end: Pos, log: &LogReader) -> Result<()> {
    for table in Table::ALL {
        let tree = inner.tree(table);
        guarded(table, || tree.flush(&tree.get_flush_lock(), inner.watermark()))?;
    }
    let mut punched = lock(&inner.punched);
    write_checkpoint(&inner.dir, Checkpoint { start: end, punched: *punched })?;
    // Nothing replays the state sections of what was pruned by then, and nobody who saw them reads any more.
    // The next checkpoint says that they are gone: after a kill they are given back once more, which changes
    // nothing.
    let oldest = inner.watermark() + 1;
    let pruned = lock(&inner.keeping).pruned.extract_if(.., |(seq, _)| *seq <= oldest).map(|p| p.1).max();
    let lookup = inner.tree(Table::Lookup);
    for number in *punched + 1..=pruned.unwrap_or_default() {
        let entry = guarded(Table::Lookup, || lookup.get(record::number_key(number), u64::MAX))?;
        if let Some(entry) = entry {
            log.punch(Position::parse(&entry)?.pos, FLAT..=NODES)?;
        }
        *punched = number;
    }
    Ok(())
}

fn compact_loop(inner: &Inner, _: &LogReader) {
    let strategy = Arc::new(lsm_tree::compaction::Leveled::default().with_table_target_size(TABLE_BYTES));
    while await_work(inner, |k| std::mem::take(&mut k.compact).then_some(())).is_some() {
        for table in Table::ALL {
            let tree = inner.tree(table);
            for _ in 0..8 {
                let before = tree.current_version().id();
                if let Err(fault) = guarded(table, || tree.compact(strategy.clone(), inner.watermark())) {
                    let mut k = lock(&inner.keeping);
                    k.fault = k.fault.take().or(Some(fault));
                    inner.wake.notify_all();
                    return;
                }
                if tree.current_version().id() == before || lock(&inner.keeping).stop {
                    break;
                }
            }
            inner.wake.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The engine may finish a flush, under a number of its own, after a record took its number and before
    /// the record's entries go into a new memtable.
    #[test]
    fn published_entries_are_seen_whatever_the_engine_numbered_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let (mut trees, _) = Trees::open(dir.path(), 1 << 20).unwrap();
        trees.start(&Arc::new(LogReader::new(dir.path()))).unwrap();
        let op = |value: &[u8]| vec![(Table::Node, b"key".to_vec(), Some(value.into()))];
        let old = trees.next_seq();
        trees.write(old, op(b"old"));
        trees.publish(old);
        let new = trees.next_seq();
        trees.compact(Pos::default(), 0, &mut |_, _| ()).unwrap();
        let other = trees.inner.tree(Table::Node);
        other.insert("other", "fills the memtable", old);
        other.rotate_memtable();
        trees.write(new, op(b"new"));
        trees.publish(new);
        assert_eq!(trees.snapshot().get(Table::Node, b"key").unwrap().unwrap().as_ref(), b"new");
    }
}
