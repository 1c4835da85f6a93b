//! What a folder's store is: version of its form, network, and files without which it is none.

use std::{fs, path::Path};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Options,
    codec::Reader,
    error::{Result, StoreError},
    log::replace_file,
    store::malformed,
    trees::Table,
};

/// Version of what is on disk: 2 since sections are read in pages.
const FORMAT: u32 = 2;

/// Reads which store a folder holds, or writes it down for a new one.
pub(crate) fn check_format(dir: &Path, options: &Options) -> Result<()> {
    let path = dir.join("format");
    match fs::read(&path) {
        Ok(b) => {
            let sum = b.get(36..44).map(<[u8]>::to_vec);
            if b.len() != 44 || sum != b.get(..36).map(|x| xxh3_64(x).to_le_bytes().to_vec()) {
                return Err(StoreError::corrupt("format", "does not have its checksum"));
            }
            let mut r = Reader(&b);
            let version = r
                .take(4)
                .map(|v| v.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b)))
                .map_err(malformed("format"))?;
            if version != FORMAT {
                return Err(StoreError::WrongFormat { expected: FORMAT, found: version });
            }
            let network = r.hash().map_err(malformed("format"))?;
            if network != options.network {
                return Err(StoreError::WrongNetwork {
                    expected: options.network.to_string(),
                    found: network.to_string(),
                });
            }
            Ok(())
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            if dir.join("log").exists() || dir.join("tables").exists() {
                return Err(StoreError::corrupt("format", "file is missing"));
            }
            let mut b = FORMAT.to_le_bytes().to_vec();
            b.extend_from_slice(options.network.as_slice());
            let sum = xxh3_64(&b);
            b.extend_from_slice(&sum.to_le_bytes());
            replace_file(&path, &b)
        }
        Err(e) => Err(StoreError::io("format", &e)),
    }
}

/// Refuses a store that has lost a file whose place would be filled without a word: the engine makes an empty
/// table where there is none, and what a log without its acknowledged end has lost passes for never whole.
///
/// A checkpoint is written after every table has been, and where there is none, the log fills the tables. The
/// end of what was acknowledged is written before the log's first record.
pub(crate) fn check_files(dir: &Path) -> Result<()> {
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let (tables, log) = (dir.join("tables"), dir.join("log"));
    if tables.join("checkpoint").exists() {
        for table in Table::ALL {
            if !tables.join(table.name()).join("current").is_file() {
                return Err(StoreError::corrupt(
                    format!("table {}", table.name()),
                    "file current is missing",
                ));
            }
        }
    }
    if length(&log.join("acknowledged")) == 0 {
        let segments = match fs::read_dir(&log) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            segments => segments.map_err(|error| StoreError::io("log", &error))?,
        };
        for segment in segments {
            let path = segment.map_err(|error| StoreError::io("log", &error))?.path();
            if path.extension().is_some_and(|kind| kind == "blocks") && length(&path) > 0 {
                return Err(StoreError::corrupt("log", "file acknowledged is missing"));
            }
        }
    }
    Ok(())
}
