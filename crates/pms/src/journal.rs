//! What changed since the files were written: appended and synced before it counts.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{PersonId, PmsError, Result};

const HEAD: usize = 12;

/// Bytes of one record at most: what is longer is damage.
const MAX_RECORD: usize = 1 << 30;

/// One change of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A value is known, or, being [`MISSING`](crate::MISSING), no longer.
    Set {
        /// Whose.
        person: PersonId,
        /// Place of the column.
        column: u32,
        /// Millionths of the feature's unit (PMS-001).
        value: i64,
        /// Unix time of the evidence, seconds.
        seen: u32,
    },
    /// The person is to be forgotten (PMS-042).
    Remove {
        /// Who.
        person: PersonId,
    },
}

/// Changes that take effect together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// How far of their source these changes bring the columns (PMS-041).
    pub offset: u64,
    /// In order.
    pub changes: Vec<Change>,
}

impl Batch {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.offset.to_le_bytes().to_vec();
        for change in &self.changes {
            match change {
                Change::Set { person, column, value, seen } => {
                    bytes.push(0);
                    bytes.extend_from_slice(person);
                    bytes.extend_from_slice(&column.to_le_bytes());
                    bytes.extend_from_slice(&value.to_le_bytes());
                    bytes.extend_from_slice(&seen.to_le_bytes());
                }
                Change::Remove { person } => {
                    bytes.push(1);
                    bytes.extend_from_slice(person);
                }
            }
        }
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let offset = u64::from_le_bytes(take(&mut bytes)?);
        let mut changes = Vec::new();
        while let Some(kind) = take::<1>(&mut bytes) {
            let person = take(&mut bytes)?;
            changes.push(match kind {
                [0] => Change::Set {
                    person,
                    column: u32::from_le_bytes(take(&mut bytes)?),
                    value: i64::from_le_bytes(take(&mut bytes)?),
                    seen: u32::from_le_bytes(take(&mut bytes)?),
                },
                [1] => Change::Remove { person },
                _ => return None,
            });
        }
        bytes.is_empty().then_some(Self { offset, changes })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

/// Return every whole batch of a journal, and the length that they take; a torn end is no part of it.
///
/// # Errors
/// [`PmsError::Corrupt`]: a batch that others follow is not what was written.
pub(crate) fn read(path: &Path) -> Result<(Vec<Batch>, u64)> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes).map_err(|error| PmsError::io(path, &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(PmsError::io(path, &error)),
    };
    let (mut batches, mut at) = (Vec::new(), 0);
    while let Some(mut head) = bytes.get(at..at + HEAD) {
        let length = take(&mut head).map_or(0, u32::from_le_bytes) as usize;
        let hash = take(&mut head).map_or(0, u64::from_le_bytes);
        let end = at + HEAD + length;
        let whole = bytes.get(at + HEAD..end).filter(|_| length <= MAX_RECORD);
        match whole.filter(|body| xxh3_64(body) == hash).and_then(Batch::decode) {
            Some(batch) => batches.push(batch),
            None if end < bytes.len() => {
                return Err(PmsError::Corrupt(format!("{}: record at byte {at}", path.display())));
            }
            None => break,
        }
        at = end;
    }
    Ok((batches, at as u64))
}

/// The journal that is being written.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Journal {
    /// Go on behind what is whole.
    pub(crate) fn open(path: PathBuf, length: u64) -> Result<Self> {
        let open = || {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            file.set_len(length)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = open().map_err(|error| PmsError::io(&path, &error))?;
        Ok(Self { file, path, length })
    }

    /// Write a batch and wait until it is on disk; what could not be written whole is taken back.
    pub(crate) fn append(&mut self, batch: &Batch) -> Result<()> {
        let body = batch.encode();
        if body.len() > MAX_RECORD {
            return Err(PmsError::Update(format!("{} bytes of changes; at most {MAX_RECORD}", body.len())));
        }
        let mut record = Vec::with_capacity(HEAD + body.len());
        record.extend_from_slice(&(body.len() as u32).to_le_bytes());
        record.extend_from_slice(&xxh3_64(&body).to_le_bytes());
        record.extend_from_slice(&body);
        let mut write = || {
            self.file.seek(SeekFrom::Start(self.length))?;
            self.file.write_all(&record)?;
            self.file.sync_data()
        };
        if let Err(error) = write() {
            // Whether this succeeds or not, the next append begins at the same place.
            let _ = self.file.set_len(self.length);
            return Err(PmsError::io(&self.path, &error));
        }
        self.length += record.len() as u64;
        Ok(())
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}
