//! The pool's memory across a kill: every accepted transaction, appended before its hash is answered.
//!
//! A file is a header (magic, version, chain id, salt) and records. A record is a marker, a kind, the length
//! of its payload, the payload and a checksum. The salt is random and goes into each checksum: a
//! transaction whose bytes look like records cannot pass for them where a write was cut short. Removals are not written: what a block included or the
//! state forbids shows itself when the journal is read. Only [`KIND_DISCARD`] is, for what was found
//! invalid or was taken back on purpose.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, Bytes, Keccak256, keccak256};
use rayon::prelude::*;
use trex_stf::transaction::Transaction;

const MAGIC: &[u8; 8] = b"TREXPOOL";
const VERSION: u32 = 2;
const HEADER_LEN: usize = 36;
/// What nobody outside knows of a file.
type Salt = [u8; 16];
const MARKER: [u8; 3] = [0xf5, b'T', b'X'];
const KIND_TRANSACTION: u8 = 1;
const KIND_DISCARD: u8 = 2;
/// Marker, kind, payload length; the checksum follows the payload.
const PREFIX_LEN: usize = 8;
const CHECK_LEN: usize = 8;
/// Dead bytes a journal may hold beyond twice its living ones before it is rewritten.
const SLACK_BYTES: u64 = 16 << 20;

/// Why a journal cannot be used.
#[derive(Debug)]
pub enum JournalError {
    /// The file system refused.
    Io(PathBuf, io::Error),
    /// Written for another chain.
    WrongChain {
        /// Chain id in the file.
        have: u64,
        /// Chain id of this network.
        want: u64,
    },
    /// Written by a later version.
    Version(u32),
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "pool journal {}: {error}", path.display()),
            Self::WrongChain { have, want } => {
                write!(f, "pool journal belongs to chain {have}, not to {want}")
            }
            Self::Version(version) => write!(f, "pool journal has version {version}, known is {VERSION}"),
        }
    }
}

impl std::error::Error for JournalError {}

/// What reading a journal found.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Transactions in the order of their arrival, discarded ones left out.
    pub transactions: Vec<Transaction>,
    /// Bytes at the end that are no whole record: a write that a kill cut short.
    pub torn_bytes: u64,
    /// Bytes before the end that are no record: damage.
    pub damaged_bytes: u64,
    /// Records whose checksum holds but that are no transaction.
    pub undecodable: usize,
    /// Where the damaged file was put aside.
    pub kept: Option<PathBuf>,
}

/// The open journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    salt: Salt,
    chain_id: u64,
    len: u64,
    /// The file may end in part of a record, and cutting it off failed.
    dirty: bool,
    /// Another file has taken its place: nothing written here would be found again.
    is_orphan: bool,
    sync: bool,
}

impl Journal {
    /// Reads what a journal holds; a missing one is empty.
    pub fn read(path: &Path, chain_id: u64) -> Result<Contents, JournalError> {
        let fault = |error| JournalError::Io(path.to_owned(), error);
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            Err(error) => return Err(fault(error)),
        };
        let mut contents = Contents::default();
        match check_header(&bytes, chain_id)? {
            Some(salt) => contents = parse(&salt, &bytes),
            None => contents.damaged_bytes = bytes.len() as u64,
        }
        if contents.damaged_bytes > 0 {
            let kept = path.with_extension("damaged");
            fs::rename(path, &kept).map_err(fault)?;
            contents.kept = Some(kept);
        }
        Ok(contents)
    }

    /// Writes a new journal of `transactions` in the place of the old one, whole or not at all.
    pub fn create<'a>(
        path: &Path,
        chain_id: u64,
        sync: bool,
        transactions: impl Iterator<Item = &'a Transaction>,
    ) -> Result<Self, JournalError> {
        let fault = |error| JournalError::Io(path.to_owned(), error);
        let mut buffer = Vec::from(*MAGIC);
        buffer.extend_from_slice(&VERSION.to_le_bytes());
        buffer.extend_from_slice(&chain_id.to_le_bytes());
        let mut salt = Salt::default();
        getrandom::fill(&mut salt).map_err(|error| fault(io::Error::other(error)))?;
        buffer.extend_from_slice(&salt);
        let fresh = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).open(&fresh).map_err(fault)?;
        let mut len = 0;
        let mut flush = |buffer: &mut Vec<u8>| {
            file.write_all(buffer)?;
            len += buffer.len() as u64;
            buffer.clear();
            Ok(())
        };
        for tx in transactions {
            push_transaction(&salt, &mut buffer, tx);
            if buffer.len() > 1 << 20 {
                flush(&mut buffer).map_err(fault)?;
            }
        }
        flush(&mut buffer).map_err(fault)?;
        if sync {
            file.sync_all().map_err(fault)?;
        }
        fs::rename(&fresh, path).map_err(fault)?;
        if sync && let Some(folder) = path.parent() {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault)?;
        }
        Ok(Self { path: path.to_owned(), file, salt, chain_id, len, dirty: false, is_orphan: false, sync })
    }

    /// Appends transactions by one write. After an error none of them is in the journal.
    pub fn append<'a>(&mut self, transactions: impl Iterator<Item = &'a Transaction>) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(16 << 10);
        transactions.for_each(|tx| push_transaction(&self.salt, &mut buffer, tx));
        self.write(&buffer)
    }

    /// Appends that transactions were taken back.
    pub fn discard(&mut self, hashes: impl Iterator<Item = B256>) -> io::Result<()> {
        let mut buffer = Vec::new();
        hashes.for_each(|hash| {
            let check = check(&self.salt, KIND_DISCARD, Address::ZERO, hash);
            push_record(&mut buffer, KIND_DISCARD, &[hash.as_slice()], check);
        });
        self.write(&buffer)
    }

    fn write(&mut self, buffer: &[u8]) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        if self.is_orphan {
            return Err(io::Error::other("the journal's file was replaced and could not be made durable"));
        }
        if self.dirty {
            self.cut()?;
        }
        let written = self.file.write_all(buffer).and_then(|()| match self.sync {
            true => self.file.sync_data(),
            false => Ok(()),
        });
        match written {
            Ok(()) => {
                self.len += buffer.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.dirty = self.cut().is_err();
                Err(error)
            }
        }
    }

    /// Cuts off what a failed write left behind.
    fn cut(&mut self) -> io::Result<()> {
        use std::io::{Seek as _, SeekFrom};
        self.dirty = true;
        self.file.set_len(self.len)?;
        self.file.seek(SeekFrom::Start(self.len))?;
        self.dirty = false;
        Ok(())
    }

    /// Whether it is mostly dead, given the bytes of living records.
    pub fn is_mostly_dead(&self, living_bytes: u64) -> bool {
        self.len > 2 * living_bytes + SLACK_BYTES
    }

    /// Rewrites it with the living transactions, in their order. After an error the old one stays.
    pub fn compact<'a>(
        &mut self,
        transactions: impl Iterator<Item = &'a Transaction>,
    ) -> Result<(), JournalError> {
        let created = Self::create(&self.path, self.chain_id, self.sync, transactions);
        match created {
            Ok(fresh) => *self = fresh,
            Err(error) => {
                // The new file may have taken the place of this one: what is appended here would be lost.
                self.is_orphan = !self.is_in_place();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether the path still names the open file.
    fn is_in_place(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let here = self.file.metadata().map(|here| (here.dev(), here.ino()));
        let there = fs::metadata(&self.path).map(|there| (there.dev(), there.ino()));
        matches!((here, there), (Ok(here), Ok(there)) if here == there)
    }

    /// Length of the file, bytes.
    pub fn len(&self) -> u64 {
        self.len
    }
}

/// Bytes a transaction takes in the journal.
pub(super) fn record_len(tx: &Transaction) -> usize {
    PREFIX_LEN + 20 + tx.encoded().len() + CHECK_LEN
}

fn push_transaction(salt: &Salt, buffer: &mut Vec<u8>, tx: &Transaction) {
    let sender = tx.sender();
    let check = check(salt, KIND_TRANSACTION, sender, tx.hash());
    push_record(buffer, KIND_TRANSACTION, &[sender.as_slice(), tx.encoded()], check);
}

fn push_record(buffer: &mut Vec<u8>, kind: u8, payload: &[&[u8]], check: [u8; CHECK_LEN]) {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    buffer.extend_from_slice(&MARKER);
    buffer.push(kind);
    buffer.extend_from_slice(&(length as u32).to_le_bytes());
    payload.iter().for_each(|part| buffer.extend_from_slice(part));
    buffer.extend_from_slice(&check);
}

/// Covers the whole payload: a transaction's bytes through their hash.
fn check(salt: &Salt, kind: u8, sender: Address, hash: B256) -> [u8; CHECK_LEN] {
    let mut hasher = Keccak256::new();
    hasher.update(salt);
    hasher.update([kind]);
    hasher.update(sender);
    hasher.update(hash);
    let mut check = [0; CHECK_LEN];
    check.copy_from_slice(&hasher.finalize()[..CHECK_LEN]);
    check
}

/// The salt, if the header is whole and ours.
fn check_header(bytes: &[u8], chain_id: u64) -> Result<Option<Salt>, JournalError> {
    let Some(header) = bytes.get(..HEADER_LEN).filter(|header| header.starts_with(MAGIC)) else {
        return Ok(None);
    };
    let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    if version != VERSION {
        return Err(JournalError::Version(version));
    }
    let mut have = [0; 8];
    have.copy_from_slice(&header[12..20]);
    let mut salt = Salt::default();
    salt.copy_from_slice(&header[20..]);
    match u64::from_le_bytes(have) {
        have if have == chain_id => Ok(Some(salt)),
        have => Err(JournalError::WrongChain { have, want: chain_id }),
    }
}

enum Record {
    Transaction { sender: Address, hash: B256, encoded: Bytes },
    Discard(B256),
}

fn parse(salt: &Salt, bytes: &[u8]) -> Contents {
    let mut contents = Contents::default();
    let (mut records, mut at, mut gap) = (Vec::new(), HEADER_LEN, 0u64);
    while at < bytes.len() {
        match record_at(salt, &bytes[at..]) {
            Some((record, length)) => {
                contents.damaged_bytes += std::mem::take(&mut gap);
                records.push(record);
                at += length;
            }
            None => {
                let next = bytes[at + 1..].windows(MARKER.len()).position(|window| window == MARKER);
                let next = next.map_or(bytes.len(), |distance| at + 1 + distance);
                gap += (next - at) as u64;
                at = next;
            }
        }
    }
    contents.torn_bytes = gap;

    let mut discarded = alloy_primitives::map::B256Set::default();
    let mut kept = Vec::with_capacity(records.len());
    for record in records.into_iter().rev() {
        match record {
            Record::Discard(hash) => _ = discarded.insert(hash),
            // Only what came before the discard is meant.
            Record::Transaction { hash, .. } if discarded.contains(&hash) => {}
            Record::Transaction { sender, hash, encoded } => kept.push((sender, hash, encoded)),
        }
    }
    kept.reverse();
    let decoded: Vec<_> = kept
        .into_par_iter()
        .with_min_len(64)
        .map(|(sender, hash, encoded)| Transaction::with_sender(encoded, hash, sender).ok())
        .collect();
    let found = decoded.len();
    contents.transactions = decoded.into_iter().flatten().collect();
    contents.undecodable = found - contents.transactions.len();
    contents
}

/// The record that starts here, and its whole length.
fn record_at(salt: &Salt, bytes: &[u8]) -> Option<(Record, usize)> {
    let prefix = bytes.get(..PREFIX_LEN).filter(|prefix| prefix.starts_with(&MARKER))?;
    let kind = prefix[3];
    let length = u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]) as usize;
    let payload = bytes.get(PREFIX_LEN..PREFIX_LEN.checked_add(length)?)?;
    let whole = PREFIX_LEN + length + CHECK_LEN;
    let stored = bytes.get(PREFIX_LEN + length..whole)?;
    let (sender, hash, record) = match kind {
        KIND_TRANSACTION if length > 20 => {
            let (sender, encoded) = (Address::from_slice(&payload[..20]), &payload[20..]);
            let hash = keccak256(encoded);
            (sender, hash, Record::Transaction { sender, hash, encoded: Bytes::copy_from_slice(encoded) })
        }
        KIND_DISCARD if length == 32 => {
            let hash = B256::from_slice(payload);
            (Address::ZERO, hash, Record::Discard(hash))
        }
        _ => return None,
    };
    (check(salt, kind, sender, hash) == stored).then_some((record, whole))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy_consensus::{SignableTransaction as _, TxEip1559};
    use alloy_primitives::{Signature, U256};
    use op_alloy_consensus::OpTxEnvelope;

    use super::*;

    fn transaction(sender: Address, input: Vec<u8>) -> Transaction {
        let tx = TxEip1559 { chain_id: 1, value: U256::from(7), input: input.into(), ..TxEip1559::default() };
        let envelope = OpTxEnvelope::from(tx.into_signed(Signature::test_signature()));
        let encoded: Bytes = alloy_eips::Encodable2718::encoded_2718(&envelope).into();
        let hash = keccak256(&encoded);
        Transaction::with_sender(encoded, hash, sender).unwrap()
    }

    /// Calldata that holds a record naming a victim as sender, which a torn write would lay open.
    fn nested(salt: &Salt) -> Transaction {
        let mut input = Vec::new();
        push_transaction(salt, &mut input, &transaction(Address::repeat_byte(0x55), Vec::new()));
        input.resize(input.len() + 1000, 0);
        transaction(Address::repeat_byte(0x66), input)
    }

    fn torn(forged_with: Option<Salt>) -> Contents {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path, 1, false, std::iter::empty()).unwrap();
        let outer = nested(&forged_with.unwrap_or(journal.salt));
        journal.append([&transaction(Address::ZERO, Vec::new()), &outer].into_iter()).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(journal.len() - 500).unwrap();
        Journal::read(&path, 1).unwrap()
    }

    #[test]
    fn records_inside_a_torn_transaction_are_not_believed() {
        let contents = torn(Some(Salt::default()));
        assert_eq!(contents.transactions.len(), 1, "the whole one alone");
        assert!(contents.torn_bytes > 0);
        // With the file's salt it would have worked: the salt is what stands against it.
        assert_eq!(torn(None).transactions.len(), 2);
    }

    #[test]
    fn journal_whose_file_was_replaced_takes_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path, 1, false, std::iter::empty()).unwrap();
        assert!(journal.is_in_place());
        fs::remove_file(&path).unwrap();
        fs::create_dir(path.with_extension("new")).unwrap();
        assert!(journal.compact(std::iter::empty()).is_err());
        let tx = transaction(Address::ZERO, Vec::new());
        assert!(journal.append(std::iter::once(&tx)).is_err());
    }
}
