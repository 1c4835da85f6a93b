//! The checkpoint beside the tables: how far they hold what the log does.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    error::{Result, StoreError},
    log::{Pos, replace_file},
};

/// What a flush leaves behind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checkpoint {
    /// Where in the log replay begins.
    pub(crate) start: Pos,
    /// Newest block whose state sections were given back, with all pruned before it.
    pub(crate) punched: u64,
}

pub(crate) fn read_checkpoint(dir: &Path) -> Result<Checkpoint> {
    match std::fs::read(dir.join("checkpoint")) {
        Ok(b) => {
            let word = |at: usize| Some(u64::from_le_bytes(b.get(at..at + 8)?.try_into().ok()?));
            match (word(0), word(8), word(16)) {
                (Some(start), Some(punched), Some(sum)) if b.len() == 24 && xxh3_64(&b[..16]) == sum => {
                    Ok(Checkpoint { start: Pos::from_u64(start), punched })
                }
                // Of a version that did not write down what it gave back.
                (Some(start), Some(sum), None) if b.len() == 16 && xxh3_64(&b[..8]) == sum => {
                    Ok(Checkpoint { start: Pos::from_u64(start), punched: 0 })
                }
                _ => Err(StoreError::corrupt("tables/checkpoint", "does not have its checksum")),
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Checkpoint::default()),
        Err(e) => Err(StoreError::io("tables/checkpoint", &e)),
    }
}

pub(crate) fn write_checkpoint(dir: &Path, Checkpoint { start, punched }: Checkpoint) -> Result<()> {
    let mut b = start.to_u64().to_le_bytes().to_vec();
    b.extend_from_slice(&punched.to_le_bytes());
    let sum = xxh3_64(&b);
    b.extend_from_slice(&sum.to_le_bytes());
    replace_file(&dir.join("checkpoint"), &b)
}
