//! The store: opening, committing, unwinding, pruning.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy_primitives::B256;

use crate::{
    BlockData, Head, History, Options, StateView, codec,
    error::{Result, StoreError},
    format::{check_files, check_format},
    log::{self, ACTS, Kind, LogReader, LogWriter, Pos, SECTIONS},
    ops::{block_ops, prune_ops, replay_ops, unwind_ops},
    record::{self, Acts, Entries, Position},
    trees::{Op, Snapshot, Table, Trees},
};

/// Blocks pruned with one commit: more than come, so a backlog shrinks, and little enough to be quick.
const PRUNE_STEP: u64 = 3;
/// Log bytes from which on the tables are flushed: what is read again after a kill follows from it.
const UNFLUSHED_BYTES: u64 = 32 << 20;
/// Log bytes undone by one record of an unwind.
const UNWIND_STEP_BYTES: u64 = 64 << 20;

pub(crate) struct Writer {
    pub(crate) log: LogWriter,
    head: Option<Head>,
    earliest_state: u64,
    /// Log bytes since the last flush.
    unflushed: u64,
    /// Why writing stopped.
    stopped: Option<StoreError>,
}

/// A store: one folder, one process, one writer at a time, any number of readers.
///
/// A block becomes visible whole or not at all, and durable before [`Store::commit`] returns.
pub struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) trees: Trees,
    pub(crate) log: Arc<LogReader>,
    pub(crate) writer: Mutex<Writer>,
    replayed: u64,
    pub(crate) seen: RwLock<(Option<Head>, u64)>,
    /// State from this block on is not pruned.
    keep_from: AtomicU64,
    pub(crate) options: Options,
    pub(crate) _lock: File,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir).finish_non_exhaustive()
    }
}

pub(crate) fn malformed(place: &str) -> impl Fn(codec::Malformed) -> StoreError + '_ {
    move |_| StoreError::corrupt(place, "bytes cannot be decoded")
}

/// How long opening waits for the lock: a process that has just ended, or a child that one was about to
/// start, holds it a moment longer.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

impl Store {
    /// Opens or creates the store in `dir`.
    ///
    /// Takes under two seconds after any kill: what of the log is read again is bounded, see
    /// [`Store::replayed_bytes`].
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::WrongNetwork`], [`StoreError::WrongFormat`],
    /// [`StoreError::Corrupt`], [`StoreError::Io`].
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self> {
        let dir = dir.as_ref().to_owned();
        let io = |e: std::io::Error| StoreError::io(&dir.display().to_string(), &e);
        fs::create_dir_all(&dir).map_err(io)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(dir.join("lock")).map_err(io)?;
        let patience = Instant::now() + LOCK_PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(fs::TryLockError::WouldBlock) if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    return Err(StoreError::Locked { path: dir.display().to_string() });
                }
                Err(fs::TryLockError::Error(e)) => return Err(io(e)),
            }
        }
        check_format(&dir, &options)?;
        check_files(&dir)?;
        let (mut trees, start) = Trees::open(&dir.join("tables"), options.cache_bytes)?;
        let mut replayed = 0;
        let log_dir = dir.join("log");
        let (log, reader, last_seq) = {
            let source = LogReader::new(&log_dir);
            LogWriter::open(&log_dir, start, |pos, record| {
                replayed += record.frame.len();
                let ops = replay_ops(&source, pos, &record)?;
                trees.replay(record.frame.seq, ops);
                Ok(())
            })?
        };
        if trees.highest_persisted() > last_seq {
            return Err(StoreError::corrupt("log", "ends before what the tables already hold"));
        }
        trees.publish(trees.highest_persisted());
        trees.start(&reader)?;
        let snapshot = trees.snapshot();
        let head = read_head(&snapshot)?;
        let earliest = read_earliest(&snapshot)?;
        drop(snapshot);
        Ok(Self {
            dir,
            trees,
            log: reader,
            seen: RwLock::new((head, earliest)),
            keep_from: AtomicU64::new(u64::MAX),
            writer: Mutex::new(Writer {
                log,
                head,
                earliest_state: earliest,
                unflushed: replayed,
                stopped: None,
            }),
            replayed,
            options,
            _lock: lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How the store was opened.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The newest block, `None` before genesis.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).0
    }

    /// First block whose state is kept.
    #[must_use]
    pub fn earliest_state(&self) -> u64 {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Keeps the state of block `number`, and of those after it, however few [`History::Last`] would keep.
    /// Holds until the next call, and is forgotten at closing. What is pruned already does not come back.
    pub fn keep_state_from(&self, number: u64) {
        self.keep_from.store(number, Ordering::SeqCst);
    }

    /// Bytes of the log that opening read again, to fill the tables with what a kill kept from them. At
    /// most what two flushes take: 32 MiB each, or one commit where that is more.
    #[must_use]
    pub fn replayed_bytes(&self) -> u64 {
        self.replayed
    }

    /// Why writing is refused, if it is: the node should stop cleanly.
    #[must_use]
    pub fn fault(&self) -> Option<StoreError> {
        self.writer().stopped.clone().or_else(|| self.trees.fault())
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes block 0 with the whole allocation as its diff.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if there is a head already, and what [`Store::commit`] answers.
    pub fn init_genesis(&self, genesis: &BlockData<'_>) -> Result<()> {
        if self.head().is_some() {
            return Err(StoreError::misuse("there is a genesis block already"));
        }
        self.commit(genesis)
    }

    /// Makes a block durable and visible, whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if it does not follow the head; [`StoreError::DiskFull`] and
    /// [`StoreError::Io`], after which writes are refused until the store is reopened.
    pub fn commit(&self, block: &BlockData<'_>) -> Result<()> {
        self.commit_many(std::slice::from_ref(block))
    }

    /// Commits blocks with one sync; all become visible together. Keep a call below some 100 MB.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn commit_many(&self, blocks: &[BlockData<'_>]) -> Result<()> {
        let mut w = self.writer();
        self.writable(&w)?;
        let mut head = w.head;
        for b in blocks {
            check_follows(head, b)?;
            head = Some(Head { number: b.header.number, hash: b.hash });
        }
        let Some(new_head) = head.filter(|_| !blocks.is_empty()) else { return Ok(()) };
        w.log.roll().inspect_err(|e| w.stopped = Some(e.clone()))?;
        let (mut bytes, mut writes) = (Vec::new(), Vec::new());
        let mut earliest = w.earliest_state;
        for b in blocks {
            let seq = self.trees.next_seq();
            let mut acts = record::acts_of(b, self.options.index_addresses);
            acts.pruned = self.prunable(&mut earliest, b.header.number)?;
            let (sections, old_nodes) = record::encode_block(b, &acts);
            let mut pos = w.log.end();
            pos.offset = u32::try_from(u64::from(pos.offset) + bytes.len() as u64)
                .map_err(|_| StoreError::misuse("more than 3.7 GB in one commit"))?;
            let frame = log::encode(Kind::Block, seq, b.header.number, &sections);
            let nodes_at = log::nodes_offset(&sections);
            let entries = Entries {
                number: b.header.number,
                at: Position { pos, hash: b.hash, timestamp: b.header.timestamp },
                tx_hashes: b.tx_hashes,
                receipts: b.receipts,
                diff: b.diff,
                old_nodes: &old_nodes,
                nodes_at,
                acts: &acts,
            };
            let mut ops = block_ops(&entries);
            for &(number, pos) in &acts.pruned {
                ops.extend(prune_ops(&self.log, number, pos)?);
            }
            if !acts.pruned.is_empty() {
                ops.push(record::earliest_op(earliest));
            }
            bytes.extend_from_slice(&frame);
            writes.push((seq, ops));
        }
        self.write(&mut w, bytes, writes)?;
        w.head = Some(new_head);
        w.earliest_state = earliest;
        self.publish(&w);
        self.keep(&mut w);
        Ok(())
    }

    /// Writes a meta entry alone, durable; an empty value removes it.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn put_meta(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put_metas(&[(key.to_vec(), value.to_vec())])
    }

    /// Writes meta entries, durable, all or none; an empty value removes one.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn put_metas(&self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        let mut w = self.writer();
        self.writable(&w)?;
        w.log.roll().inspect_err(|e| w.stopped = Some(e.clone()))?;
        let seq = self.trees.next_seq();
        let acts = Acts { meta: entries.to_vec(), ..Acts::default() };
        let mut sections: [Vec<u8>; SECTIONS] = Default::default();
        sections[ACTS] = acts.encode();
        let number = w.head.map_or(0, |h| h.number);
        let bytes = log::encode(Kind::Meta, seq, number, &sections);
        self.write(&mut w, bytes, vec![(seq, record::meta_ops(&acts.meta))])?;
        self.keep(&mut w);
        Ok(())
    }

    /// Goes back to block `to`: state, tables and indices become as they were when it was the head.
    /// Meta entries stay. Large unwinds go in steps, each of which leaves a whole store.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] if the state of `to` is gone, [`StoreError::UnknownBlock`] if it is
    /// above the head, and as [`Store::commit`].
    pub fn unwind_to(&self, to: u64) -> Result<()> {
        let mut w = self.writer();
        self.writable(&w)?;
        let Some(head) = w.head.filter(|h| h.number >= to) else {
            return Err(StoreError::UnknownBlock { block: to });
        };
        if to < w.earliest_state {
            return Err(StoreError::Pruned { block: to, earliest: w.earliest_state });
        }
        let mut at = head.number;
        while at > to {
            let snapshot = self.trees.snapshot();
            let (mut undone, mut size) = (Vec::new(), 0);
            while at > to && (undone.is_empty() || size < UNWIND_STEP_BYTES) {
                let pos = position(&snapshot, at)?.ok_or(StoreError::UnknownBlock { block: at })?.pos;
                size += self.log.frame(pos)?.len();
                undone.push((at, pos));
                at -= 1;
            }
            let hash = position(&snapshot, at)?.ok_or(StoreError::UnknownBlock { block: at })?.hash;
            drop(snapshot);
            let seq = self.trees.next_seq();
            let acts = Acts { pruned: undone, ..Acts::default() };
            let mut sections: [Vec<u8>; SECTIONS] = Default::default();
            sections[log::HEADER] = hash.to_vec();
            sections[ACTS] = acts.encode();
            w.log.roll().inspect_err(|e| w.stopped = Some(e.clone()))?;
            let ops = unwind_ops(&self.log, at, &hash, &acts.pruned)?;
            let bytes = log::encode(Kind::Unwind, seq, at, &sections);
            self.write(&mut w, bytes, vec![(seq, ops)])?;
            w.head = Some(Head { number: at, hash });
            self.publish(&w);
            self.keep(&mut w);
        }
        Ok(())
    }

    fn writable(&self, w: &Writer) -> Result<()> {
        w.stopped.clone().or_else(|| self.trees.fault()).map_or(Ok(()), Err)
    }

    /// Blocks to prune with block `number`, and where their records are.
    fn prunable(&self, earliest: &mut u64, number: u64) -> Result<Vec<(u64, Pos)>> {
        let History::Last(keep) = self.options.history else { return Ok(Vec::new()) };
        // History of block b holds the values before b; it goes once state b-1 is not kept.
        let target = number.saturating_sub(keep).min(self.keep_from.load(Ordering::SeqCst));
        if *earliest >= target {
            return Ok(Vec::new());
        }
        let snapshot = self.trees.snapshot();
        let mut out = Vec::new();
        while *earliest < target && (out.len() as u64) < PRUNE_STEP {
            let Some(at) = position(&snapshot, *earliest + 1)? else { break };
            out.push((*earliest + 1, at.pos));
            *earliest += 1;
        }
        Ok(out)
    }

    /// The one way bytes reach the log and entries the tables: side by side, visible to nobody yet.
    fn write(&self, w: &mut Writer, bytes: Vec<u8>, writes: Vec<(u64, Vec<Op>)>) -> Result<()> {
        let last = writes.last().map_or(0, |w| w.0);
        let len = bytes.len() as u64;
        if w.unflushed > 0 && w.unflushed + len > UNFLUSHED_BYTES {
            // A large commit begins a flush of its own.
            self.flush(w);
            self.writable(w)?;
        }
        let log = &mut w.log;
        let logged = std::thread::scope(|s| {
            // Entries written before the log is durable are harmless: unpublished, and never flushed,
            // for a flush begins only after a commit that succeeded.
            let t = s.spawn(|| log.append(&bytes, last));
            for (seq, ops) in writes {
                self.trees.write(seq, ops);
            }
            t.join().unwrap_or_else(|_| Err(StoreError::Io { detail: "log writer died".into() }))
        });
        if let Err(fault) = logged {
            w.stopped = Some(fault.clone());
            return Err(fault);
        }
        w.unflushed += len;
        self.trees.publish(last);
        Ok(())
    }

    fn publish(&self, w: &Writer) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = (w.head, w.earliest_state);
    }

    /// The block is durable by now: a fault here stops the next write, not this one.
    fn keep(&self, w: &mut Writer) {
        if w.unflushed >= UNFLUSHED_BYTES || self.trees.is_full() {
            self.flush(w);
        }
    }

    fn flush(&self, w: &mut Writer) {
        match w.log.sync_mark().and_then(|()| self.trees.flush(w.log.end(), w.earliest_state)) {
            Ok(()) => w.unflushed = 0,
            Err(fault) => w.stopped = Some(fault),
        }
    }

    /// Flushes everything and merges every table; `progress` gets tables done and total.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn compact(&self, progress: &mut dyn FnMut(usize, usize)) -> Result<()> {
        let mut w = self.writer();
        self.writable(&w)?;
        let end = w.log.end();
        let w = &mut *w;
        w.log.sync_mark()?;
        self.trees.compact(end, w.earliest_state, progress)?;
        w.unflushed = 0;
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.trees.snapshot()
    }

    /// State after block `number`, fixed for as long as the view lives.
    ///
    /// # Errors
    /// [`StoreError::UnknownBlock`], [`StoreError::Pruned`].
    pub fn state_at(self: &Arc<Self>, number: u64) -> Result<StateView> {
        StateView::new(self.clone(), Some(number))
    }

    /// State after the newest block.
    ///
    /// # Errors
    /// [`StoreError::UnknownBlock`] before genesis.
    pub fn latest(self: &Arc<Self>) -> Result<StateView> {
        StateView::new(self.clone(), None)
    }
}

fn check_follows(head: Option<Head>, b: &BlockData<'_>) -> Result<()> {
    let n = b.transactions.len();
    if [b.tx_hashes.len(), b.senders.len(), b.recipients.len(), b.receipts.len()] != [n; 4] {
        return Err(StoreError::misuse("lists of a block differ in length"));
    }
    let follows = match head {
        None => b.header.number == 0,
        Some(h) => b.header.number == h.number + 1 && b.header.parent_hash == h.hash,
    };
    if follows {
        Ok(())
    } else {
        Err(StoreError::misuse(format!("block {} does not follow the head {head:?}", b.header.number)))
    }
}

pub(crate) fn position(snapshot: &Snapshot, number: u64) -> Result<Option<Position>> {
    let entry = snapshot.get(Table::Lookup, &record::number_key(number))?;
    entry.map(|v| Position::parse(&v)).transpose()
}

pub(crate) fn read_head(snapshot: &Snapshot) -> Result<Option<Head>> {
    let Some(v) = snapshot.get(Table::Lookup, record::HEAD_KEY)? else { return Ok(None) };
    let parse =
        || Some((u64::from_be_bytes(v.get(..8)?.try_into().ok()?), B256::try_from(v.get(8..)?).ok()?));
    let (number, hash) = parse().ok_or_else(|| StoreError::corrupt("table lookup", "bad head entry"))?;
    Ok(Some(Head { number, hash }))
}

pub(crate) fn read_earliest(snapshot: &Snapshot) -> Result<u64> {
    let Some(v) = snapshot.get(Table::Lookup, record::EARLIEST_KEY)? else { return Ok(0) };
    let n = v.as_ref().try_into().map_err(|_| StoreError::corrupt("table lookup", "bad earliest entry"))?;
    Ok(u64::from_be_bytes(n))
}
