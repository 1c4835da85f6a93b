//! From a block to the sections of its record, and from either to the table entries it makes.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, Log};
use alloy_rlp::{Decodable, Encodable};
use trex_stf::{receipt::Receipt, state::StateDiff};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    BlockData,
    codec::{self, Decoded, Malformed, OldNodes, Reader},
    error::{Result, StoreError},
    log::{
        ACTS, EXTRA, FIRST_LOGS, FLAT, HASHES, HEADER, LOGS, NODES, Pos, RECEIPTS, Record, SECTIONS, SENDERS,
        TXS,
    },
    trees::{Op, Table},
};

/// What a record does besides its block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acts {
    /// Meta entries; an empty value removes.
    pub(crate) meta: Vec<(Vec<u8>, Vec<u8>)>,
    /// Blocks whose history goes, and where their records are.
    pub(crate) pruned: Vec<(u64, Pos)>,
    /// (address, transaction index) pairs, ascending and distinct.
    pub(crate) appearances: Vec<(Address, u32)>,
    /// Contracts and the transactions that created them.
    pub(crate) created: Vec<(Address, u32)>,
}

impl Acts {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        codec::put_varint(&mut out, self.meta.len() as u64);
        for (k, v) in &self.meta {
            codec::put_bytes(&mut out, k);
            codec::put_bytes(&mut out, v);
        }
        codec::put_varint(&mut out, self.pruned.len() as u64);
        for (n, pos) in &self.pruned {
            codec::put_varint(&mut out, *n);
            codec::put_varint(&mut out, pos.to_u64());
        }
        for list in [&self.appearances, &self.created] {
            codec::put_varint(&mut out, list.len() as u64);
            for (address, i) in list {
                out.extend_from_slice(address.as_slice());
                codec::put_varint(&mut out, u64::from(*i));
            }
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Decoded<Self> {
        let r = &mut Reader(bytes);
        let mut acts = Self::default();
        for _ in 0..r.varint()? {
            acts.meta.push((r.bytes()?.to_vec(), r.bytes()?.to_vec()));
        }
        for _ in 0..r.varint()? {
            acts.pruned.push((r.varint()?, Pos::from_u64(r.varint()?)));
        }
        for list in [&mut acts.appearances, &mut acts.created] {
            for _ in 0..r.varint()? {
                list.push((r.address()?, u32::try_from(r.varint()?).map_err(|_| Malformed)?));
            }
        }
        r.end()?;
        Ok(acts)
    }
}

/// Who took part in which transaction, and who made which contract.
pub(crate) fn acts_of(block: &BlockData<'_>, index_addresses: bool) -> Acts {
    let mut acts = Acts { meta: block.meta.to_vec(), ..Acts::default() };
    let top_level = block.receipts.iter().enumerate().filter_map(|(i, r)| {
        let address = r.contract_address.filter(|_| r.success)?;
        Some((address, i as u32))
    });
    acts.created = top_level.chain(block.created.iter().copied()).collect();
    acts.created.sort_unstable();
    acts.created.dedup();
    if index_addresses {
        let senders = block.senders.iter().enumerate().map(|(i, a)| (*a, i as u32));
        let recipients = block.recipients.iter().enumerate().filter_map(|(i, a)| Some(((*a)?, i as u32)));
        acts.appearances = senders.chain(recipients).chain(block.appearances.iter().copied()).collect();
        acts.appearances.extend_from_slice(&acts.created);
        acts.appearances.sort_unstable();
        acts.appearances.dedup();
    }
    acts
}

/// Sections of a block's record, and where old nodes lie in theirs.
pub(crate) fn encode_block(block: &BlockData<'_>, acts: &Acts) -> ([Vec<u8>; SECTIONS], OldNodes) {
    let mut s: [Vec<u8>; SECTIONS] = Default::default();
    put_header(&mut s[HEADER], block);
    codec::put_list(&mut s[TXS], block.transactions);
    s[HASHES] = block.tx_hashes.iter().flat_map(|h| h.0).collect();
    s[SENDERS] = block.senders.iter().flat_map(|a| a.0.0).collect();
    let mut first_log = 0u32;
    for receipt in block.receipts {
        s[FIRST_LOGS].extend_from_slice(&first_log.to_le_bytes());
        first_log += receipt.logs.len() as u32;
    }
    codec::put_list(&mut s[RECEIPTS], &encoded(block.receipts.iter(), codec::put_receipt));
    codec::put_list(&mut s[LOGS], &encoded(block.receipts.iter().flat_map(|r| &r.logs), codec::put_log));
    codec::put_flat(&mut s[FLAT], block.diff);
    let old = codec::put_nodes(&mut s[NODES], &block.diff.nodes);
    s[EXTRA] = block.extra.to_vec();
    s[ACTS] = acts.encode();
    (s, old)
}

fn encoded<T>(items: impl Iterator<Item = T>, put: impl Fn(&mut Vec<u8>, T)) -> Vec<Vec<u8>> {
    items
        .map(|item| {
            let mut out = Vec::with_capacity(64);
            put(&mut out, item);
            out
        })
        .collect()
}

/// Bytes that transactions take in the RLP of their block.
pub(crate) fn body_bytes(transactions: &[Bytes]) -> u64 {
    // A legacy transaction is a list of RLP itself, any other one is a string there.
    let in_block = |tx: &Bytes| match tx.first() {
        Some(first) if *first >= 0xc0 => tx.len(),
        _ => tx[..].length(),
    };
    transactions.iter().map(in_block).sum::<usize>() as u64
}

fn put_header(out: &mut Vec<u8>, block: &BlockData<'_>) {
    out.extend_from_slice(block.hash.as_slice());
    out.extend_from_slice(&body_bytes(block.transactions).to_le_bytes());
    block.header.encode(out);
}

/// A block's hash, bytes that its transactions take in its RLP, and header, from its section.
pub(crate) fn take_header(section: &[u8]) -> Decoded<(B256, u64, Header)> {
    let r = &mut Reader(section);
    let (hash, body_bytes) = (r.hash()?, u64::from_le_bytes(r.array()?));
    let header = Header::decode(&mut r.0).map_err(|_| Malformed)?;
    Ok((hash, body_bytes, header))
}

/// Where a block is, and what of it needs no further reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) pos: Pos,
    pub(crate) hash: B256,
    pub(crate) timestamp: u64,
}

impl Position {
    fn encode(&self) -> Vec<u8> {
        let place = self.pos.to_u64().to_be_bytes();
        [place.as_slice(), &self.timestamp.to_be_bytes(), self.hash.as_slice()].concat()
    }

    /// From a lookup entry.
    pub(crate) fn parse(v: &[u8]) -> Result<Self> {
        let word = |at: usize| Some(u64::from_be_bytes(v.get(at..at + 8)?.try_into().ok()?));
        let parse = || {
            Some(Self {
                pos: Pos::from_u64(word(0)?),
                timestamp: word(8)?,
                hash: B256::try_from(v.get(16..)?).ok()?,
            })
        };
        parse().ok_or_else(|| StoreError::corrupt("table lookup", "bad block entry"))
    }
}

/// What of a block makes table entries.
pub(crate) struct Entries<'a> {
    pub(crate) number: u64,
    pub(crate) at: Position,
    pub(crate) tx_hashes: &'a [B256],
    pub(crate) receipts: &'a [Receipt],
    pub(crate) diff: &'a StateDiff,
    pub(crate) old_nodes: &'a OldNodes,
    /// Offset of the nodes section in the record.
    pub(crate) nodes_at: u64,
    pub(crate) acts: &'a Acts,
}

/// A block read back from its record.
pub(crate) struct Replayed {
    hash: B256,
    timestamp: u64,
    tx_hashes: Vec<B256>,
    receipts: Vec<Receipt>,
    pub(crate) diff: StateDiff,
    old_nodes: OldNodes,
    pub(crate) acts: Acts,
}

impl Replayed {
    pub(crate) fn parse(record: &Record) -> Decoded<Self> {
        let (hash, _, header) = take_header(record.section(HEADER))?;
        let receipts =
            receipts_of(record.section(RECEIPTS), record.section(FIRST_LOGS), record.section(LOGS))?;
        let mut diff = codec::take_flat(record.section(FLAT))?;
        let (nodes, old_nodes) = codec::take_nodes(record.section(NODES))?;
        diff.nodes = nodes;
        Ok(Self {
            hash,
            timestamp: header.timestamp,
            tx_hashes: hashes_of(record.section(HASHES)),
            receipts,
            diff,
            old_nodes,
            acts: Acts::decode(record.section(ACTS))?,
        })
    }

    pub(crate) fn entries(&self, record: &Record, pos: Pos) -> Entries<'_> {
        Entries {
            number: record.frame.number,
            at: Position { pos, hash: self.hash, timestamp: self.timestamp },
            tx_hashes: &self.tx_hashes,
            receipts: &self.receipts,
            diff: &self.diff,
            old_nodes: &self.old_nodes,
            nodes_at: record.frame.section(NODES).0,
            acts: &self.acts,
        }
    }
}

/// All receipts, from the sections that they are in.
pub(crate) fn receipts_of(section: &[u8], first_logs: &[u8], logs: &[u8]) -> Decoded<Vec<Receipt>> {
    let count = codec::list_len(logs)?;
    let mut logs = Reader(logs.get(4 + 4 * count..).ok_or(Malformed)?);
    let mut firsts =
        first_logs.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let mut first = firsts.next();
    let mut out = Vec::new();
    for i in 0..codec::list_len(section)? {
        let mut receipt = codec::take_receipt(codec::list_item(section, i)?.ok_or(Malformed)?)?;
        let next = firsts.next();
        let own = next.unwrap_or(count).checked_sub(first.ok_or(Malformed)?).ok_or(Malformed)?;
        receipt.logs = (0..own).map(|_| codec::take_log(&mut logs)).collect::<Decoded<_>>()?;
        out.push(receipt);
        first = next;
    }
    logs.end()?;
    Ok(out)
}

/// All hashes of a section of hashes.
pub(crate) fn hashes_of(section: &[u8]) -> Vec<B256> {
    section.chunks_exact(32).map(B256::from_slice).collect()
}

/// All transactions of a transactions section.
pub(crate) fn transactions_of(section: &[u8]) -> Decoded<Vec<Bytes>> {
    let n = codec::list_len(section)?;
    let mut out = Vec::new();
    for i in 0..n {
        out.push(Bytes::copy_from_slice(codec::list_item(section, i)?.ok_or(Malformed)?));
    }
    Ok(out)
}

// Keys. The first byte says what it is; a block number comes last, big endian.

pub(crate) fn account_key(address: &Address) -> Vec<u8> {
    [b"a", address.as_slice()].concat()
}

pub(crate) fn slot_key(address: &Address, slot: &alloy_primitives::U256) -> Vec<u8> {
    [b"s", address.as_slice(), &slot.to_be_bytes::<32>()].concat()
}

pub(crate) fn code_key(hash: &B256) -> Vec<u8> {
    [b"c", hash.as_slice()].concat()
}

pub(crate) fn node_key(owner: Option<&B256>, path: &alloy_trie::Nibbles) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + 33 + 33);
    out.push(b'n');
    codec::put_place(&mut out, owner, path);
    out
}

pub(crate) fn number_key(number: u64) -> Vec<u8> {
    [b"b".as_slice(), &number.to_be_bytes()].concat()
}

pub(crate) fn hash_key(hash: &B256) -> Vec<u8> {
    [b"h", hash.as_slice()].concat()
}

pub(crate) fn tx_key(hash: &B256) -> Vec<u8> {
    [b"t", hash.as_slice()].concat()
}

pub(crate) fn meta_key(key: &[u8]) -> Vec<u8> {
    [b"m", key].concat()
}

/// Number and hash of the newest block.
pub(crate) const HEAD_KEY: &[u8] = b"H";
/// First block whose state is kept.
pub(crate) const EARLIEST_KEY: &[u8] = b"E";

pub(crate) fn at_block(mut key: Vec<u8>, number: u64) -> Vec<u8> {
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn appearance_key(address: &Address) -> Vec<u8> {
    [b"p", address.as_slice()].concat()
}

pub(crate) fn creator_key(address: &Address) -> Vec<u8> {
    [b"k", address.as_slice()].concat()
}

/// Key of a posting list without its block. The value is shortened to 64 bits: whoever reads checks
/// the log itself, so a collision costs time, never a wrong answer. `position` 0 is the address,
/// 1 to 4 the topics.
pub(crate) fn posting_key(position: u64, value: &[u8]) -> Vec<u8> {
    [b"l".as_slice(), &xxh3_64_with_seed(value, position).to_be_bytes()].concat()
}

fn postings<'a>(logs: impl Iterator<Item = (u32, &'a Log)>) -> Vec<(Vec<u8>, Vec<u32>)> {
    let mut all = Vec::new();
    for (i, log) in logs {
        all.push((posting_key(0, log.address.as_slice()), i));
        for (p, topic) in (1..).zip(log.topics()) {
            all.push((posting_key(p, topic.as_slice()), i));
        }
    }
    group(all)
}

fn group<K: Ord>(mut pairs: Vec<(K, u32)>) -> Vec<(K, Vec<u32>)> {
    pairs.sort_unstable();
    let mut out: Vec<(K, Vec<u32>)> = Vec::new();
    for (k, i) in pairs {
        match out.last_mut() {
            Some((last, list)) if *last == k => {
                if list.last() != Some(&i) {
                    list.push(i);
                }
            }
            _ => out.push((k, vec![i])),
        }
    }
    out
}

/// A history entry for an old node: where its bytes are.
fn node_pointer(pos: Pos, nodes_at: u64, old: Option<(u32, u32)>) -> Vec<u8> {
    let Some((at, len)) = old else { return Vec::new() };
    let mut out = pos.to_u64().to_be_bytes().to_vec();
    out.extend_from_slice(&((nodes_at as u32).wrapping_add(at)).to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    out
}

/// The reverse: `None` where there was no node.
pub(crate) fn parse_node_pointer(value: &[u8]) -> Decoded<Option<(Pos, u64, u64)>> {
    if value.is_empty() {
        return Ok(None);
    }
    let pos: [u8; 8] = value.get(..8).and_then(|b| b.try_into().ok()).ok_or(Malformed)?;
    let at: [u8; 4] = value.get(8..12).and_then(|b| b.try_into().ok()).ok_or(Malformed)?;
    let len: [u8; 4] = value.get(12..16).and_then(|b| b.try_into().ok()).ok_or(Malformed)?;
    Ok(Some((
        Pos::from_u64(u64::from_be_bytes(pos)),
        u32::from_be_bytes(at).into(),
        u32::from_be_bytes(len).into(),
    )))
}

/// History keys a block made.
pub(crate) fn history_keys(number: u64, diff: &StateDiff) -> Vec<Vec<u8>> {
    let accounts = diff.accounts.iter().map(|(a, _)| at_block(account_key(a), number));
    let slots = diff.slots.iter().map(|(a, s, _)| at_block(slot_key(a, s), number));
    let nodes = diff.nodes.iter().map(|n| at_block(node_key(n.owner.as_ref(), &n.path), number));
    accounts.chain(slots).chain(nodes).collect()
}

/// Entries of a block in the tables of values as of the head: new values, or the old ones to undo it.
pub(crate) fn current_ops(diff: &StateDiff, undo: bool) -> Vec<Op> {
    let mut ops = Vec::with_capacity(diff.accounts.len() + diff.slots.len() + diff.nodes.len());
    for (a, c) in &diff.accounts {
        let v = if undo { &c.old } else { &c.new };
        ops.push((Table::Flat, account_key(a), v.as_ref().map(|v| codec::account_value(Some(v)).into())));
    }
    for (a, s, c) in &diff.slots {
        let v = if undo { &c.old } else { &c.new };
        ops.push((Table::Flat, slot_key(a, s), (!v.is_zero()).then(|| codec::slot_value(v).into())));
    }
    for n in &diff.nodes {
        let v = if undo { &n.change.old } else { &n.change.new };
        ops.push((Table::Node, node_key(n.owner.as_ref(), &n.path), v.as_ref().map(|b| b.as_ref().into())));
    }
    ops
}

/// Entries that find a block, its transactions, logs and past values.
pub(crate) fn finding_ops(e: &Entries<'_>) -> Vec<Op> {
    let n = e.number;
    let mut ops: Vec<Op> =
        Vec::with_capacity(4 * e.tx_hashes.len() + e.diff.accounts.len() + e.diff.nodes.len());
    let mut put = |t, k, v: Vec<u8>| ops.push((t, k, Some(v.into())));
    put(Table::Lookup, number_key(n), e.at.encode());
    put(Table::Lookup, hash_key(&e.at.hash), n.to_be_bytes().to_vec());
    for (i, hash) in e.tx_hashes.iter().enumerate() {
        put(Table::Lookup, tx_key(hash), [n.to_be_bytes().as_slice(), &(i as u32).to_be_bytes()].concat());
    }
    // Nothing is older than genesis.
    if n > 0 {
        for (a, c) in &e.diff.accounts {
            put(Table::History, at_block(account_key(a), n), codec::account_value(c.old.as_ref()));
        }
        for (a, s, c) in &e.diff.slots {
            put(Table::History, at_block(slot_key(a, s), n), codec::slot_value(&c.old));
        }
        for (node, old) in e.diff.nodes.iter().zip(e.old_nodes) {
            put(
                Table::History,
                at_block(node_key(node.owner.as_ref(), &node.path), n),
                node_pointer(e.at.pos, e.nodes_at, *old),
            );
        }
    }
    ops.extend(index_ops(n, e.receipts, e.acts));
    ops
}

/// Entries that find a block's logs by address and topic, and its transactions by who took part.
pub(crate) fn index_ops(n: u64, receipts: &[Receipt], acts: &Acts) -> Vec<Op> {
    let mut ops = Vec::new();
    let mut put = |t, k, v: Vec<u8>| ops.push((t, k, Some(v.into())));
    let logs = receipts.iter().flat_map(|r| &r.logs).enumerate().map(|(i, l)| (i as u32, l));
    for (key, list) in postings(logs) {
        let mut v = Vec::with_capacity(list.len() + 2);
        codec::put_ascending(&mut v, &list);
        put(Table::Index, at_block(key, n), v);
    }
    for (address, list) in group(acts.appearances.clone()) {
        let mut v = Vec::with_capacity(list.len() + 2);
        codec::put_ascending(&mut v, &list);
        put(Table::Index, at_block(appearance_key(&address), n), v);
    }
    for (address, i) in &acts.created {
        put(Table::Index, at_block(creator_key(address), n), i.to_be_bytes().to_vec());
    }
    ops
}

/// Entries of meta values.
pub(crate) fn meta_ops(meta: &[(Vec<u8>, Vec<u8>)]) -> Vec<Op> {
    meta.iter()
        .map(|(k, v)| (Table::Lookup, meta_key(k), (!v.is_empty()).then(|| v.clone().into())))
        .collect()
}

/// Entry that names the head.
pub(crate) fn head_op(number: u64, hash: &B256) -> Op {
    (
        Table::Lookup,
        HEAD_KEY.to_vec(),
        Some([number.to_be_bytes().as_slice(), hash.as_slice()].concat().into()),
    )
}

/// Entry that names the first block whose state is kept.
pub(crate) fn earliest_op(number: u64) -> Op {
    (Table::Lookup, EARLIEST_KEY.to_vec(), Some(number.to_be_bytes().into()))
}
