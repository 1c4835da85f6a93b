//! Sizes.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::{
    Stats, Store, TableStats,
    error::{Result, StoreError},
    trees::Table,
};

impl Store {
    /// Entries and bytes of every table and of the block log.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn stats(&self) -> Result<Stats> {
        let head = self.head();
        let mut tables: Vec<TableStats> = Table::ALL
            .into_iter()
            .map(|table| {
                let (entries, bytes) = self.trees.size(table);
                TableStats { name: table.name(), entries, bytes }
            })
            .collect();
        let log = disk_bytes(&self.dir().join("log"))?;
        tables.push(TableStats { name: "log", entries: head.map_or(0, |h| h.number + 1), bytes: log });
        Ok(Stats {
            tables,
            disk_bytes: disk_bytes(self.dir())?,
            memtable_bytes: self.trees.memtable_bytes(),
            head,
            earliest_state: self.earliest_state(),
        })
    }
}

/// Bytes that a folder really takes, holes not counted.
fn disk_bytes(dir: &Path) -> Result<u64> {
    let io = |e: std::io::Error| StoreError::io(&dir.display().to_string(), &e);
    let mut sum = 0;
    for entry in fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        match entry.metadata() {
            Ok(m) if m.is_dir() => sum += disk_bytes(&entry.path())?,
            Ok(m) => sum += m.blocks() * 512,
            // Compaction may remove a file while we look.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(io(e)),
        }
    }
    Ok(sum)
}
