//! The block log: the sequential file that makes a block durable.
//!
//! One record a block, appended and synced once; the trees above it keep no log of their own and are
//! refilled from here after a kill. It is also where bodies, receipts and old trie nodes stay, so
//! bulk is written once. A record is a frame (sequence number, block number, lengths and checksums of
//! its sections, checksum of the frame) and its sections, each readable alone and in pages.
//!
//! *Torn or damaged?* After each sync the end of the acknowledged log goes to a small side file.
//! Bytes before that end must be whole, else the log is damaged; bytes after it that are not whole
//! were never acknowledged and are cut off.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    error::{Result, StoreError},
    pages,
};

/// Sections of a record.
pub(crate) const SECTIONS: usize = 11;
/// Block hash, bytes that the transactions take in the block's RLP, RLP header.
pub(crate) const HEADER: usize = 0;
/// Raw transactions, as a list.
pub(crate) const TXS: usize = 1;
/// Hashes of the transactions, 32 bytes each.
pub(crate) const HASHES: usize = 2;
/// Senders, 20 bytes each.
pub(crate) const SENDERS: usize = 3;
/// Receipts without their logs, as a list.
pub(crate) const RECEIPTS: usize = 4;
/// For each receipt the number of logs before it, 32 bits.
pub(crate) const FIRST_LOGS: usize = 5;
/// Logs of all receipts, as a list.
pub(crate) const LOGS: usize = 6;
/// Accounts, slots and codes, old and new.
pub(crate) const FLAT: usize = 7;
/// Trie nodes, old and new.
pub(crate) const NODES: usize = 8;
/// The chain layer's own bytes.
pub(crate) const EXTRA: usize = 9;
/// What else the record does: meta entries, pruned blocks, internal calls.
pub(crate) const ACTS: usize = 10;

const MAGIC: u32 = 0x5254_4c42;
const FRAME: usize = 4 + 4 + 8 + 8 + SECTIONS * 16 + 8;
const SEGMENT_BYTES: u64 = 256 << 20;
/// Bytes that are read without a look at the file's length.
const SMALL_READ: u64 = 1 << 16;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A block.
    Block,
    /// A way back to an earlier block.
    Unwind,
    /// Meta entries alone.
    Meta,
}

impl Kind {
    fn parse(n: u32) -> Option<Self> {
        match n {
            1 => Some(Self::Block),
            2 => Some(Self::Unwind),
            3 => Some(Self::Meta),
            _ => None,
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Block => 1,
            Self::Unwind => 2,
            Self::Meta => 3,
        }
    }
}

/// Place of a record: segment and offset in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pos {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
}

impl Pos {
    pub(crate) fn to_u64(self) -> u64 {
        u64::from(self.segment) << 32 | u64::from(self.offset)
    }

    pub(crate) fn from_u64(n: u64) -> Self {
        Self { segment: (n >> 32) as u32, offset: n as u32 }
    }
}

/// A frame: all about a record but its sections' bytes.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    pub(crate) number: u64,
    lens: [u64; SECTIONS],
    sums: [u64; SECTIONS],
}

impl Frame {
    pub(crate) fn len(&self) -> u64 {
        self.end_of(SECTIONS - 1)
    }

    /// Offset of a section's bytes from the record's start, and their number.
    pub(crate) fn section(&self, i: usize) -> (u64, u64) {
        (self.end_of(i) - self.lens[i], self.lens[i])
    }

    /// What stands for a section's checksum.
    pub(crate) fn sum(&self, i: usize) -> u64 {
        self.sums[i]
    }

    /// Offset behind a section: before each stand the checksums of its pages.
    fn end_of(&self, i: usize) -> u64 {
        FRAME as u64 + self.lens[..=i].iter().map(|len| pages::sums_len(*len) + len).sum::<u64>()
    }

    fn encode(&self) -> [u8; FRAME] {
        let mut out = [0; FRAME];
        out[..4].copy_from_slice(&MAGIC.to_le_bytes());
        out[4..8].copy_from_slice(&self.kind.number().to_le_bytes());
        out[8..16].copy_from_slice(&self.seq.to_le_bytes());
        out[16..24].copy_from_slice(&self.number.to_le_bytes());
        for i in 0..SECTIONS {
            out[24 + 16 * i..32 + 16 * i].copy_from_slice(&self.lens[i].to_le_bytes());
            out[32 + 16 * i..40 + 16 * i].copy_from_slice(&self.sums[i].to_le_bytes());
        }
        let sum = xxh3_64(&out[..FRAME - 8]);
        out[FRAME - 8..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        if word(FRAME - 8)? != xxh3_64(bytes.get(..FRAME - 8)?) {
            return None;
        }
        let head = word(0)?;
        if head as u32 != MAGIC {
            return None;
        }
        let mut frame = Self {
            kind: Kind::parse((head >> 32) as u32)?,
            seq: word(8)?,
            number: word(16)?,
            lens: [0; SECTIONS],
            sums: [0; SECTIONS],
        };
        for i in 0..SECTIONS {
            frame.lens[i] = word(24 + 16 * i)?;
            frame.sums[i] = word(32 + 16 * i)?;
        }
        Some(frame)
    }
}

/// A record read whole.
pub(crate) struct Record {
    pub(crate) frame: Frame,
    bytes: Vec<u8>,
}

impl Record {
    pub(crate) fn section(&self, i: usize) -> &[u8] {
        let (at, len) = self.frame.section(i);
        self.bytes.get(at as usize..(at + len) as usize).unwrap_or_default()
    }

    fn is_whole(&self, i: usize) -> bool {
        let (at, len) = self.frame.section(i);
        let sums = self.bytes.get((at - pages::sums_len(len)) as usize..at as usize).unwrap_or_default();
        pages::is_whole(self.section(i), sums, self.frame.sums[i])
    }
}

/// Encodes a record.
pub(crate) fn encode(kind: Kind, seq: u64, number: u64, sections: &[Vec<u8>; SECTIONS]) -> Vec<u8> {
    let mut frame = Frame { kind, seq, number, lens: [0; SECTIONS], sums: [0; SECTIONS] };
    let sums: [Vec<u8>; SECTIONS] = std::array::from_fn(|i| pages::sums_of(&sections[i]));
    for (i, s) in sections.iter().enumerate() {
        frame.lens[i] = s.len() as u64;
        frame.sums[i] = pages::frame_sum(s, &sums[i]);
    }
    let mut out = Vec::with_capacity(frame.len() as usize);
    out.extend_from_slice(&frame.encode());
    for (s, sums) in sections.iter().zip(&sums) {
        out.extend_from_slice(sums);
        out.extend_from_slice(s);
    }
    out
}

/// Offset of the nodes section in a record with these sections.
pub(crate) fn nodes_offset(sections: &[Vec<u8>; SECTIONS]) -> u64 {
    let before = sections[..NODES].iter().map(|s| pages::sums_len(s.len() as u64) + s.len() as u64);
    FRAME as u64 + before.sum::<u64>() + pages::sums_len(sections[NODES].len() as u64)
}

/// Where the second slot of a [`Mark`] begins: in another sector than the first, whatever a disk's are. A
/// write that a power cut spoils then leaves the other slot as it was.
const SECOND_SLOT: u64 = 4096;

/// End of the acknowledged log, kept beside it in two slots written in turn.
struct Mark {
    file: File,
    turn: bool,
}

impl Mark {
    fn open(dir: &Path) -> Result<(Self, Option<(Pos, u64)>)> {
        let path = dir.join("acknowledged");
        let there = path.exists();
        let doing = "log/acknowledged";
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| StoreError::io(doing, &e))?;
        let slot = |at: u64| -> Result<Option<(Pos, u64)>> {
            let mut b = [0u8; 24];
            let len = file.read_at(&mut b, at).map_err(|e| StoreError::io(doing, &e))?;
            let word = |at: usize| Some(u64::from_le_bytes(b.get(at..at + 8)?.try_into().ok()?));
            let whole = len == b.len() && word(16) == Some(xxh3_64(&b[..16]));
            Ok(word(0).zip(word(8)).filter(|_| whole).map(|(pos, seq)| (Pos::from_u64(pos), seq)))
        };
        let found = if there && file.metadata().map_err(|e| StoreError::io(doing, &e))?.len() > 0 {
            let newer = slot(0)?.max(slot(SECOND_SLOT)?);
            Some(newer.ok_or_else(|| StoreError::corrupt(doing, "neither slot has its checksum"))?)
        } else {
            None
        };
        Ok((Self { file, turn: false }, found))
    }

    fn set(&mut self, pos: Pos, seq: u64) -> std::io::Result<()> {
        let mut b = [0u8; 24];
        b[..8].copy_from_slice(&pos.to_u64().to_le_bytes());
        b[8..16].copy_from_slice(&seq.to_le_bytes());
        let sum = xxh3_64(&b[..16]);
        b[16..].copy_from_slice(&sum.to_le_bytes());
        self.turn = !self.turn;
        self.file.write_all_at(&b, if self.turn { 0 } else { SECOND_SLOT })
    }
}

/// The reading side of the log, shared by all.
pub(crate) struct LogReader {
    dir: PathBuf,
    files: RwLock<Vec<Option<Arc<File>>>>,
}

fn segment_path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:08}.blocks"))
}

fn place(pos: Pos) -> String {
    format!("log/{:08}.blocks at {}", pos.segment, pos.offset)
}

/// A section is not the one that was written.
pub(crate) fn damaged(pos: Pos, section: usize) -> StoreError {
    StoreError::corrupt(place(pos), format!("section {section} does not have its checksum"))
}

impl LogReader {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), files: RwLock::default() }
    }

    fn file(&self, segment: u32) -> Result<Arc<File>> {
        if let Ok(files) = self.files.read()
            && let Some(Some(f)) = files.get(segment as usize)
        {
            return Ok(f.clone());
        }
        let path = segment_path(&self.dir, segment);
        let file = Arc::new(File::open(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => {
                StoreError::corrupt(format!("log/{segment:08}.blocks"), "file is missing")
            }
            _ => StoreError::io("log", &e),
        })?);
        if let Ok(mut files) = self.files.write() {
            let at = segment as usize;
            if files.len() <= at {
                files.resize(at + 1, None);
            }
            files[at] = Some(file.clone());
        }
        Ok(file)
    }

    fn read_at(&self, pos: Pos, skip: u64, len: u64) -> Result<Vec<u8>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let file = self.file(pos.segment)?;
        let at = u64::from(pos.offset) + skip;
        // A length out of a damaged place must not size a large buffer.
        if len > SMALL_READ {
            let size = file.metadata().map_err(|e| StoreError::io("log", &e))?.len();
            if at.checked_add(len).is_none_or(|end| end > size) {
                return Err(StoreError::corrupt(place(pos), "file is shorter than it was written"));
            }
        }
        let mut out = vec![0; len as usize];
        file.read_exact_at(&mut out, at).map_err(|e| StoreError::io(&place(pos), &e))?;
        Ok(out)
    }

    pub(crate) fn frame(&self, pos: Pos) -> Result<Frame> {
        Frame::decode(&self.read_at(pos, 0, FRAME as u64)?)
            .ok_or_else(|| StoreError::corrupt(place(pos), "frame does not have its checksum"))
    }

    /// One section, its checksum checked.
    pub(crate) fn section(&self, pos: Pos, i: usize) -> Result<Vec<u8>> {
        let frame = self.frame(pos)?;
        self.section_of(pos, &frame, i)
    }

    /// One section of a record whose frame is at hand.
    pub(crate) fn section_of(&self, pos: Pos, frame: &Frame, i: usize) -> Result<Vec<u8>> {
        let (at, len) = frame.section(i);
        let sums = self.read_at(pos, at - pages::sums_len(len), pages::sums_len(len))?;
        let bytes = self.read_at(pos, at, len)?;
        if pages::is_whole(&bytes, &sums, frame.sums[i]) { Ok(bytes) } else { Err(damaged(pos, i)) }
    }

    /// Bytes whose truth the caller checks (a trie node by its hash).
    pub(crate) fn slice(&self, pos: Pos, skip: u64, len: u64) -> Result<Vec<u8>> {
        self.read_at(pos, skip, len)
    }

    /// A record whole, every checksum checked.
    pub(crate) fn record(&self, pos: Pos) -> Result<Record> {
        let frame = self.frame(pos)?;
        let bytes = self.read_at(pos, 0, frame.len())?;
        let record = Record { frame, bytes };
        match (0..SECTIONS).find(|i| !record.is_whole(*i)) {
            Some(i) => Err(damaged(pos, i)),
            None => Ok(record),
        }
    }

    /// Gives a section's blocks back to the file system; the section is unreadable afterwards.
    /// A file system that cannot do it keeps them.
    pub(crate) fn punch(&self, pos: Pos, sections: std::ops::RangeInclusive<usize>) -> Result<()> {
        let frame = self.frame(pos)?;
        let (from, _) = frame.section(*sections.start());
        let (last, len) = frame.section(*sections.end());
        if last + len == from {
            return Ok(());
        }
        let path = segment_path(&self.dir, pos.segment);
        let file = File::options().write(true).open(&path).map_err(|e| StoreError::io("log", &e))?;
        let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&file, flags, u64::from(pos.offset) + from, last + len - from) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            Err(e) => Err(StoreError::io("log", &e.into())),
        }
    }
}

/// The writing side.
pub(crate) struct LogWriter {
    dir: PathBuf,
    file: File,
    end: Pos,
    mark: Mark,
}

impl LogWriter {
    /// Opens the log and hands every record from `start` on to `each`; cuts off what was never
    /// acknowledged.
    pub(crate) fn open(
        dir: &Path,
        start: Pos,
        mut each: impl FnMut(Pos, Record) -> Result<()>,
    ) -> Result<(Self, Arc<LogReader>, u64)> {
        let io = |e: std::io::Error| StoreError::io("log", &e);
        fs::create_dir_all(dir).map_err(io)?;
        let (mut mark, acked) = Mark::open(dir)?;
        let reader = Arc::new(LogReader::new(dir));
        let acked_end = acked.map_or(Pos::default(), |a| a.0);
        let mut at = start;
        let mut last_seq = acked.map_or(0, |a| a.1);
        if start > acked_end {
            return Err(StoreError::corrupt("log/acknowledged", "is behind the checkpoint"));
        }
        loop {
            let path = segment_path(dir, at.segment);
            let size = match fs::metadata(&path) {
                Ok(m) => m.len(),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    if at < acked_end {
                        return Err(StoreError::corrupt(place(at), "file is missing"));
                    }
                    0
                }
                Err(e) => return Err(io(e)),
            };
            let next_there = segment_path(dir, at.segment + 1).exists();
            if u64::from(at.offset) >= size && next_there && (size > 0 || at < acked_end) {
                if u64::from(at.offset) > size {
                    return Err(StoreError::corrupt(place(at), "file is shorter than it was written"));
                }
                at = Pos { segment: at.segment + 1, offset: 0 };
                continue;
            }
            if u64::from(at.offset) >= size {
                break;
            }
            match reader.record(at) {
                Ok(record) => {
                    let len = record.frame.len();
                    last_seq = record.frame.seq;
                    each(at, record)?;
                    at.offset += len as u32;
                }
                Err(fault @ StoreError::Corrupt { .. }) => {
                    if at < acked_end || next_there {
                        return Err(fault);
                    }
                    break;
                }
                Err(fault) => return Err(fault),
            }
        }
        if at < acked_end {
            return Err(StoreError::corrupt(place(at), "the log ends before its acknowledged end"));
        }
        let file =
            File::options().create(true).append(true).open(segment_path(dir, at.segment)).map_err(io)?;
        if file.metadata().map_err(io)?.len() > u64::from(at.offset) {
            file.set_len(u64::from(at.offset)).map_err(io)?;
        }
        if at > acked_end {
            file.sync_data().map_err(io)?;
        }
        if acked.is_none() || at > acked_end {
            mark.set(at, last_seq).map_err(io)?;
        }
        sync_dir(dir)?;
        Ok((Self { dir: dir.to_owned(), file, end: at, mark }, reader, last_seq))
    }

    /// Where the next record will be.
    pub(crate) fn end(&self) -> Pos {
        self.end
    }

    /// Makes the acknowledged end itself durable; a checkpoint must never be ahead of it.
    pub(crate) fn sync_mark(&self) -> Result<()> {
        self.mark.file.sync_data().map_err(|e| StoreError::io("log/acknowledged", &e))
    }

    /// Begins a new segment when the present one is full. Call before positions are taken.
    pub(crate) fn roll(&mut self) -> Result<()> {
        if u64::from(self.end.offset) < SEGMENT_BYTES {
            return Ok(());
        }
        let io = |e: std::io::Error| StoreError::io("log", &e);
        let next = Pos { segment: self.end.segment + 1, offset: 0 };
        let file = File::options()
            .create(true)
            .append(true)
            .open(segment_path(&self.dir, next.segment))
            .map_err(io)?;
        file.set_len(0).map_err(io)?;
        sync_dir(&self.dir)?;
        self.file = file;
        self.end = next;
        Ok(())
    }

    /// Appends records and makes them durable. On a fault the file is cut back to where it was.
    pub(crate) fn append(&mut self, records: &[u8], last_seq: u64) -> Result<()> {
        let fits = u64::from(self.end.offset) + records.len() as u64 <= u64::from(u32::MAX);
        if !fits {
            return Err(StoreError::misuse("more than 3.7 GB in one commit"));
        }
        let written = self.file.write_all(records).and_then(|()| self.file.sync_data());
        if let Err(fault) = written {
            // Never acknowledged, so it may go; if it cannot, the next opening cuts it off.
            let _ = self.file.set_len(u64::from(self.end.offset));
            return Err(StoreError::io("log", &fault));
        }
        self.end.offset += records.len() as u32;
        self.mark.set(self.end, last_seq).map_err(|e| StoreError::io("log/acknowledged", &e))
    }
}

/// Makes names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| StoreError::io("folder", &e))
}

/// Writes a small file whole: new name, sync, rename.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |e: std::io::Error| StoreError::io(&path.display().to_string(), &e);
    let new = path.with_extension("new");
    let mut file = File::create(&new).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&new, path).map_err(io)?;
    path.parent().map_or(Ok(()), sync_dir)
}
