//! Bytes in blobs: 254 usable bits in each of 4096 field elements (BAT-001 to BAT-005).

use alloc::{boxed::Box, vec::Vec};

use super::Reason;

/// Bytes of a blob (EIP-4844).
pub const BLOB_BYTES: usize = 131_072;
/// Bytes that one blob carries for us: 4096 * 254 bits without the header.
pub const BLOB_DATA_BYTES: usize = GROUPS * GROUP_BYTES - HEADER_BYTES;
/// A blob.
pub type Blob = [u8; BLOB_BYTES];

/// Version byte of the packing (BAT-002).
const VERSION: u8 = 0;
/// Version byte and the length of the data in three bytes.
const HEADER_BYTES: usize = 4;
/// Bytes of a field element.
const ELEMENT: usize = 32;
/// Elements that are filled together: their first bytes hold six bits each, three bytes in all.
const GROUP: usize = 4;
const GROUPS: usize = BLOB_BYTES / ELEMENT / GROUP;
const GROUP_BYTES: usize = GROUP * (ELEMENT - 1) + 3;
/// Bits of an element's first byte that are ours.
const HEAD: u8 = 0x3f;

/// Packs bytes into as few blobs as can be; all but the last are full (BAT-004).
pub fn pack_blobs(data: &[u8]) -> Vec<Box<Blob>> {
    data.chunks(BLOB_DATA_BYTES).map(pack).collect()
}

/// The bytes that blobs carry (BAT-001 to BAT-005).
pub fn unpack_blobs<T: AsRef<[u8]>>(blobs: &[T]) -> Result<Vec<u8>, Reason> {
    let mut out = Vec::with_capacity(blobs.len() * BLOB_DATA_BYTES);
    for (index, blob) in blobs.iter().enumerate() {
        let blob: &Blob = blob.as_ref().try_into().map_err(|_| Reason::BlobEncoding)?;
        let length = unpack(blob, &mut out)?;
        let is_last = index + 1 == blobs.len();
        if (!is_last && length != BLOB_DATA_BYTES) || length == 0 {
            return Err(Reason::BlobEncoding); // BAT-004
        }
    }
    Ok(out)
}

fn pack(data: &[u8]) -> Box<Blob> {
    let mut content = Vec::with_capacity(HEADER_BYTES + data.len() + GROUP_BYTES);
    content.push(VERSION);
    content.extend_from_slice(&(data.len() as u32).to_be_bytes()[1..]);
    content.extend_from_slice(data);
    content.resize(content.len().next_multiple_of(GROUP_BYTES), 0);
    let mut blob = Box::new([0; BLOB_BYTES]);
    for (group, bytes) in blob.chunks_exact_mut(GROUP * ELEMENT).zip(content.chunks_exact(GROUP_BYTES)) {
        let (tails, heads) = bytes.split_at(GROUP * (ELEMENT - 1));
        for (element, tail) in group.chunks_exact_mut(ELEMENT).zip(tails.chunks_exact(ELEMENT - 1)) {
            element[1..].copy_from_slice(tail);
        }
        let heads = u32::from_be_bytes([0, heads[0], heads[1], heads[2]]);
        for (index, element) in group.chunks_exact_mut(ELEMENT).enumerate() {
            element[0] = (heads >> (18 - 6 * index)) as u8 & HEAD;
        }
    }
    blob
}

/// Appends what one blob carries to `out`; its length.
fn unpack(blob: &Blob, out: &mut Vec<u8>) -> Result<usize, Reason> {
    let begin = out.len();
    let mut header = [0; HEADER_BYTES];
    let mut end = 0;
    for (index, group) in blob.chunks_exact(GROUP * ELEMENT).enumerate() {
        let mut bytes = [0; GROUP_BYTES];
        let mut heads = 0u32;
        for (element, tail) in group.chunks_exact(ELEMENT).zip(bytes.chunks_exact_mut(ELEMENT - 1)) {
            if element[0] & !HEAD != 0 {
                return Err(Reason::BlobEncoding); // BAT-003
            }
            heads = heads << 6 | u32::from(element[0]);
            tail.copy_from_slice(&element[1..]);
        }
        bytes[GROUP * (ELEMENT - 1)..].copy_from_slice(&heads.to_be_bytes()[1..]);
        let mut rest = &bytes[..];
        if index == 0 {
            header.copy_from_slice(&bytes[..HEADER_BYTES]);
            if header[0] != VERSION {
                return Err(Reason::Version); // BAT-002
            }
            let length = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
            if length > BLOB_DATA_BYTES {
                return Err(Reason::BlobEncoding);
            }
            end = begin + length;
            rest = &bytes[HEADER_BYTES..];
        }
        let (data, padding) = rest.split_at((end - out.len()).min(rest.len()));
        out.extend_from_slice(data);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(Reason::BlobEncoding); // BAT-005
        }
    }
    Ok(end - begin)
}
