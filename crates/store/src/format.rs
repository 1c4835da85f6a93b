//! What a folder's store is: version of its form, and network.

use std::{fs, path::Path};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Options,
    codec::Reader,
    error::{Result, StoreError},
    log::replace_file,
    store::malformed,
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
