//! Blocks as RLP, `[header, [transactions], [], []]`: what `trex export` writes and `import` reads,
//! and what `debug_getRawBlock` answers. Ethereum's form since Shanghai.

use alloy_consensus::Header;
use alloy_primitives::{Bytes, bytes::Buf};
use alloy_rlp::{BufMut, Decodable, Encodable, Header as RlpHeader};

/// Longest block that is read, bytes: some times what the largest gas limit lets transactions have.
pub const MAX_BLOCK_BYTES: usize = 256 << 20;

/// A block whose transactions are not decoded yet.
#[derive(Clone, Debug)]
pub struct RawBlock {
    /// The header.
    pub header: Header,
    /// EIP-2718 bytes of the transactions.
    pub transactions: Vec<Bytes>,
}

/// Length of one transaction as a list item: a legacy one is a list itself, others are strings.
fn item_length(tx: &[u8]) -> usize {
    if is_legacy(tx) {
        tx.len()
    } else {
        RlpHeader { list: false, payload_length: tx.len() }.length_with_payload()
    }
}

fn is_legacy(tx: &[u8]) -> bool {
    tx.first().is_some_and(|&byte| byte >= 0xc0)
}

/// Appends the RLP of a block.
pub fn encode(header: &Header, transactions: &[Bytes], out: &mut Vec<u8>) {
    let list = transactions.iter().map(|tx| item_length(tx)).sum();
    let list = RlpHeader { list: true, payload_length: list };
    let block = RlpHeader { list: true, payload_length: header.length() + list.length_with_payload() + 2 };
    out.reserve(block.length_with_payload());
    block.encode(out);
    header.encode(out);
    list.encode(out);
    for tx in transactions {
        if !is_legacy(tx) {
            RlpHeader { list: false, payload_length: tx.len() }.encode(out);
        }
        out.put_slice(tx);
    }
    out.put_slice(&[0xc0, 0xc0]);
}

/// Length of a block's RLP: the `size` of JSON-RPC.
pub fn length<'a>(header: &Header, transactions: impl IntoIterator<Item = &'a Bytes>) -> usize {
    let list = transactions.into_iter().map(|tx| item_length(tx)).sum();
    let list = RlpHeader { list: true, payload_length: list };
    RlpHeader { list: true, payload_length: header.length() + list.length_with_payload() + 2 }
        .length_with_payload()
}

/// Length of the payload that the list in front announces, if its prefix is there whole.
fn announced(bytes: &[u8]) -> Option<u64> {
    let length = match bytes.first()? {
        prefix @ 0xf8.. => bytes.get(1..1 + usize::from(prefix - 0xf7))?,
        _ => return None,
    };
    Some(length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)))
}

/// Reads one block off the front of `bytes`. `None` when they end before the block does; more than
/// [`MAX_BLOCK_BYTES`] are not waited for.
pub fn decode(bytes: &mut &[u8]) -> alloy_rlp::Result<Option<RawBlock>> {
    let mut rest = *bytes;
    if rest.is_empty() {
        return Ok(None);
    }
    if announced(rest).is_some_and(|length| length > MAX_BLOCK_BYTES as u64) {
        return Err(alloy_rlp::Error::Custom("block announces more than 256 MiB"));
    }
    let mut block = match payload(&mut rest, true) {
        Ok(block) => block,
        Err(alloy_rlp::Error::InputTooShort) => return Ok(None),
        Err(error) => return Err(error),
    };
    let header = Header::decode(&mut block)?;
    let mut list = payload(&mut block, true)?;
    let mut transactions = Vec::new();
    while !list.is_empty() {
        let start = list;
        let item = RlpHeader::decode(&mut list)?;
        if list.len() < item.payload_length {
            return Err(alloy_rlp::Error::InputTooShort);
        }
        let tx = if item.list {
            let prefix = start.len() - list.len();
            &start[..prefix + item.payload_length]
        } else {
            &list[..item.payload_length]
        };
        // One byte has a string form of its own in RLP; no transaction is that short.
        if tx.len() < 2 {
            return Err(alloy_rlp::Error::Custom("transaction of fewer than two bytes"));
        }
        if !item.list && is_legacy(tx) {
            return Err(alloy_rlp::Error::Custom("legacy transaction in a string"));
        }
        transactions.push(Bytes::copy_from_slice(tx));
        list.advance(item.payload_length);
    }
    for part in ["ommers", "withdrawals"] {
        if !payload(&mut block, true)?.is_empty() {
            return Err(alloy_rlp::Error::Custom(if part == "ommers" {
                "block has ommers"
            } else {
                "block has withdrawals"
            }));
        }
    }
    if !block.is_empty() {
        return Err(alloy_rlp::Error::Custom("block has further parts"));
    }
    *bytes = rest;
    Ok(Some(RawBlock { header, transactions }))
}

/// Takes the payload of an item off the front.
fn payload<'a>(bytes: &mut &'a [u8], list: bool) -> alloy_rlp::Result<&'a [u8]> {
    let mut rest = *bytes;
    let header = RlpHeader::decode(&mut rest)?;
    if header.list != list {
        return Err(alloy_rlp::Error::UnexpectedString);
    }
    if rest.len() < header.payload_length {
        return Err(alloy_rlp::Error::InputTooShort);
    }
    let (item, after) = rest.split_at(header.payload_length);
    *bytes = after;
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_transaction_has_one_encoding() {
        let mut bytes = Vec::new();
        encode(&Header::default(), &[Bytes::from_static(&[0xc1, 0x80])], &mut bytes);
        assert!(decode(&mut &bytes[..]).is_ok_and(|block| block.is_some()));
        // The same list inside a string, one byte longer in the list of transactions and in the block.
        let at = bytes.len() - 5;
        assert_eq!(bytes[at..], [0xc2, 0xc1, 0x80, 0xc0, 0xc0]);
        bytes.splice(at..at + 3, [0xc3, 0x82, 0xc1, 0x80]);
        bytes[2] += 1;
        assert_eq!(
            decode(&mut &bytes[..]).err(),
            Some(alloy_rlp::Error::Custom("legacy transaction in a string"))
        );
    }

    #[test]
    fn blocks_that_announce_too_much_are_refused_before_they_come() {
        let prefix = |length: usize| {
            let mut out = Vec::new();
            RlpHeader { list: true, payload_length: length }.encode(&mut out);
            out
        };
        let waits = |bytes: &[u8]| decode(&mut &bytes[..]).map(|block| block.is_none());
        assert_eq!(waits(&prefix(MAX_BLOCK_BYTES)), Ok(true));
        assert!(waits(&prefix(MAX_BLOCK_BYTES + 1)).is_err());
        assert!(waits(&prefix(usize::MAX)).is_err());
        assert_eq!(waits(&prefix(usize::MAX)[..8]), Ok(true), "its length is not there yet");
    }
}
