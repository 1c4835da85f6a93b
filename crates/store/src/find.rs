//! Finding logs by address and topic, transactions by address, contracts' creators.

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
};

use alloy_primitives::{Address, B256};

use crate::{
    FoundLog, LogFilter, Store, TxPlace,
    codec::{self, Malformed, Reader},
    error::Result,
    log::{FIRST_LOGS, Frame, HASHES, LOGS, LogReader, Pos},
    pages::{PAGE, Section},
    record::{self, Position},
    store::{malformed, position},
    trees::{Snapshot, Table},
};

/// Blocks whose postings are held in memory at once.
const CHUNK: u64 = 256;

/// Candidates: log indices by block.
type Candidates = BTreeMap<u64, Vec<u32>>;

impl Store {
    /// Logs of the blocks `from` to `to`, both included, that match, in order, until `each` answers
    /// false. Memory is bounded by the logs of a few hundred blocks, whatever the range.
    ///
    /// # Errors
    /// [`crate::StoreError::Corrupt`], [`crate::StoreError::Io`].
    pub fn logs(
        &self,
        from: u64,
        to: u64,
        filter: &LogFilter,
        each: &mut dyn FnMut(FoundLog) -> bool,
    ) -> Result<()> {
        let Some(head) = self.head() else { return Ok(()) };
        let to = to.min(head.number);
        let snapshot = self.snapshot();
        let mut at = from;
        let criteria = criteria(filter);
        while at <= to {
            // Most blocks have nothing of what is rare: one look passes all of them.
            let Some(first) = first_candidate(&snapshot, &criteria, at, to)? else { return Ok(()) };
            at = first;
            let end = to.min(at.saturating_add(CHUNK - 1));
            match candidates(&snapshot, &criteria, at, end)? {
                None => {
                    for block in at..=end {
                        if !self.logs_of(&snapshot, block, None, filter, each)? {
                            return Ok(());
                        }
                    }
                }
                Some(found) => {
                    for (block, indices) in found {
                        if !self.logs_of(&snapshot, block, Some(&indices), filter, each)? {
                            return Ok(());
                        }
                    }
                }
            }
            let Some(next) = end.checked_add(1) else { break };
            at = next;
        }
        Ok(())
    }

    /// Matching logs of one block, all or the ones with these indices; false once `each` has enough.
    fn logs_of(
        &self,
        snapshot: &Snapshot,
        block: u64,
        indices: Option<&[u32]>,
        filter: &LogFilter,
        each: &mut dyn FnMut(FoundLog) -> bool,
    ) -> Result<bool> {
        let Some(Position { pos, hash, timestamp }) = position(snapshot, block)? else { return Ok(true) };
        let frame = self.log.frame(pos)?;
        let few = |indices: &[u32]| (indices.len() * PAGE) as u64 <= frame.section(LOGS).1;
        let open = if indices.is_some_and(few) { Section::open } else { Section::open_whole };
        let mut logs = open(&self.log, pos, &frame, LOGS)?;
        let every: Vec<u32>;
        let indices = match indices {
            Some(indices) => indices,
            None => {
                every = (0..logs.items()? as u32).collect();
                &every
            }
        };
        let mut owners = None;
        for &log_index in indices {
            // Damage must not end the search: an index that the block does not have is passed by.
            let at = log_index as usize;
            let Some(bytes) = logs.run(at..at + 1)? else { continue };
            let log = codec::take_log(&mut Reader(&bytes)).map_err(malformed("log"))?;
            if !filter.matches(&log) {
                continue;
            }
            let owners = match &mut owners {
                Some(owners) => owners,
                none => none.insert(Owners::open(&self.log, pos, &frame)?),
            };
            let (tx_index, tx_hash) = owners.of(log_index)?;
            if !each(FoundLog { block, block_hash: hash, timestamp, tx_index, tx_hash, log_index, log }) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Transactions in which `address` took part as sender, recipient, created contract or by an
    /// internal call, at or after `from`, oldest first, until `each` answers false.
    ///
    /// # Errors
    /// As [`Store::logs`].
    pub fn appearances_from(
        &self,
        address: &Address,
        from: TxPlace,
        each: &mut dyn FnMut(TxPlace) -> bool,
    ) -> Result<()> {
        let end = TxPlace { block: u64::MAX, index: u32::MAX };
        self.appearances(address, from..=end, false, each)
    }

    /// As [`Store::appearances_from`], at or before `to`, newest first.
    ///
    /// # Errors
    /// As [`Store::logs`].
    pub fn appearances_back(
        &self,
        address: &Address,
        to: TxPlace,
        each: &mut dyn FnMut(TxPlace) -> bool,
    ) -> Result<()> {
        self.appearances(address, TxPlace { block: 0, index: 0 }..=to, true, each)
    }

    fn appearances(
        &self,
        address: &Address,
        places: RangeInclusive<TxPlace>,
        newest_first: bool,
        each: &mut dyn FnMut(TxPlace) -> bool,
    ) -> Result<()> {
        let key = record::appearance_key(address);
        let snapshot = self.snapshot();
        let mut range = snapshot.range(
            Table::Index,
            &record::at_block(key.clone(), places.start().block),
            &record::at_block(key, places.end().block),
        )?;
        while let Some(entry) = if newest_first { range.next_back() } else { range.next() } {
            let (block, mut list) = posting(&entry?)?;
            if newest_first {
                list.reverse();
            }
            let mut found = list.into_iter().map(|index| TxPlace { block, index });
            if !found.all(|place| !places.contains(&place) || each(place)) {
                break;
            }
        }
        Ok(())
    }

    /// The transaction that last created the contract at `address`.
    ///
    /// # Errors
    /// As [`Store::logs`].
    pub fn contract_creator(&self, address: &Address) -> Result<Option<TxPlace>> {
        let key = record::creator_key(address);
        let last = self.snapshot().last(
            Table::Index,
            &record::at_block(key.clone(), 0),
            &record::at_block(key, u64::MAX),
        )?;
        let Some((k, v)) = last else { return Ok(None) };
        let block = block_of(&k).map_err(malformed("table index"))?;
        let index = v.as_ref().try_into().map_err(|_| malformed("table index")(Malformed))?;
        Ok(Some(TxPlace { block, index: u32::from_be_bytes(index) }))
    }
}

fn block_of(key: &[u8]) -> codec::Decoded<u64> {
    let at = key.len().checked_sub(8).ok_or(Malformed)?;
    Ok(u64::from_be_bytes(key[at..].try_into().map_err(|_| Malformed)?))
}

fn posting((key, value): &crate::trees::Entry) -> Result<(u64, Vec<u32>)> {
    let parse = || Ok((block_of(key)?, codec::take_ascending(value)?));
    parse().map_err(malformed("table index"))
}

/// Finds the transactions that logs of one block are of.
struct Owners<'a> {
    first_logs: Section<'a>,
    hashes: Section<'a>,
    /// The transaction of the last log asked for: its logs, index and hash.
    last: (Range<u32>, u32, B256),
}

impl<'a> Owners<'a> {
    fn open(log: &'a LogReader, pos: Pos, frame: &Frame) -> Result<Self> {
        let open = |section| Section::open(log, pos, frame, section);
        Ok(Self { first_logs: open(FIRST_LOGS)?, hashes: open(HASHES)?, last: (0..0, 0, B256::ZERO) })
    }

    /// Index and hash of the transaction that has a log.
    fn of(&mut self, log: u32) -> Result<(u32, B256)> {
        if !self.last.0.contains(&log) {
            let (mut low, mut high) = (0, self.first_logs.len() / 4);
            // The last one that begins at or before the log.
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if self.first_logs.number(middle)? <= log { low = middle } else { high = middle }
            }
            let end = if 4 * high < self.first_logs.len() { self.first_logs.number(high)? } else { u32::MAX };
            let hash = B256::from_slice(&self.hashes.read(32 * low..32 * (low + 1))?);
            self.last = (log..end, low as u32, hash);
        }
        Ok((self.last.1, self.last.2))
    }
}

/// What a filter names, by position: 0 is the address, 1 to 4 the topics. Rarer ones come first.
fn criteria(filter: &LogFilter) -> Vec<(u64, Vec<&[u8]>)> {
    // Later topics are the rarer ones; the first, the event's, is commoner than the contract.
    let topics = [1u64, 2, 3, 4].into_iter().zip(&filter.topics).rev();
    let mut criteria: Vec<(u64, Vec<&[u8]>)> =
        topics.map(|(p, any)| (p, any.iter().map(|t| t.as_slice()).collect())).collect();
    criteria.insert(criteria.len() - 1, (0, filter.addresses.iter().map(|a| a.as_slice()).collect()));
    criteria.retain(|(_, values)| !values.is_empty());
    criteria
}

/// First block from `from` on that may have a matching log; `None` where none up to `to` does.
fn first_candidate(
    snapshot: &Snapshot,
    criteria: &[(u64, Vec<&[u8]>)],
    from: u64,
    to: u64,
) -> Result<Option<u64>> {
    let Some((position, values)) = criteria.first() else { return Ok(Some(from)) };
    let mut first = None;
    for value in values {
        let key = record::posting_key(*position, value);
        let (low, high) = (record::at_block(key.clone(), from), record::at_block(key, to));
        if let Some((key, _)) = snapshot.first(Table::Index, &low, &high)? {
            let block = block_of(&key).map_err(malformed("table index"))?;
            first = Some(first.map_or(block, |first: u64| first.min(block)));
        }
    }
    Ok(first)
}

/// Logs that may match, `None` where the filter names nothing; the first empty answer ends the search.
fn candidates(
    snapshot: &Snapshot,
    criteria: &[(u64, Vec<&[u8]>)],
    from: u64,
    to: u64,
) -> Result<Option<Candidates>> {
    let mut found: Option<Candidates> = None;
    for (position, values) in criteria {
        let mut here = Candidates::new();
        for value in values {
            let key = record::posting_key(*position, value);
            let range = snapshot.range(
                Table::Index,
                &record::at_block(key.clone(), from),
                &record::at_block(key, to),
            )?;
            for entry in range {
                let entry = entry?;
                let block = block_of(&entry.0).map_err(malformed("table index"))?;
                // No use in a block that another criterion has ruled out.
                if found.as_ref().is_some_and(|f| !f.contains_key(&block)) {
                    continue;
                }
                let list = posting(&entry)?.1;
                here.entry(block).and_modify(|l| *l = union(l, &list)).or_insert(list);
            }
        }
        let both = match found.take() {
            None => here,
            Some(before) => here
                .into_iter()
                .filter_map(|(b, list)| {
                    let both = intersection(before.get(&b)?, &list);
                    (!both.is_empty()).then_some((b, both))
                })
                .collect(),
        };
        if both.is_empty() {
            return Ok(Some(both));
        }
        found = Some(both);
    }
    Ok(found)
}

fn union(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut out = [a, b].concat();
    out.sort_unstable();
    out.dedup();
    out
}

fn intersection(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                out.push(*x);
                i += 1;
                j += 1;
            }
        }
    }
    out
}
