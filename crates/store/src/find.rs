//! Finding logs by address and topic, transactions by address, contracts' creators.

use std::{collections::BTreeMap, ops::RangeInclusive};

use alloy_primitives::{Address, keccak256};

use crate::{
    FoundLog, LogFilter, Store, TxPlace,
    codec::{self, Malformed},
    error::Result,
    log::{RECEIPTS, TXS},
    record,
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
        let Some((pos, block_hash)) = position(snapshot, block)? else { return Ok(true) };
        let frame = self.log.frame(pos)?;
        let bad = malformed("log");
        let receipts = self.log.section_of(pos, &frame, RECEIPTS)?;
        let n = codec::list_len(&receipts).map_err(&bad)?;
        // Transactions are read once the first log matches.
        let mut txs: Option<Vec<u8>> = None;
        let mut wanted = indices.map(|i| i.iter().copied().peekable());
        let mut i = 0;
        while i < n {
            if let Some(wanted) = &mut wanted {
                let Some(next) = wanted.peek() else { return Ok(true) };
                i = receipt_with(&receipts, i, n, *next).map_err(&bad)?;
            }
            let item = codec::list_item(&receipts, i).and_then(|r| r.ok_or(Malformed)).map_err(&bad)?;
            let (behind, logs) = codec::take_logs(item, |index| match &mut wanted {
                Some(wanted) => wanted.next_if_eq(&index).is_some(),
                None => true,
            })
            .map_err(&bad)?;
            let mut tx_hash = None;
            for (log_index, log) in logs.into_iter().filter(|(_, log)| filter.matches(log)) {
                let tx_hash = match tx_hash {
                    Some(hash) => hash,
                    None => {
                        let txs = match &mut txs {
                            Some(t) => t,
                            none => none.insert(self.log.section_of(pos, &frame, TXS)?),
                        };
                        let raw = codec::list_item(txs, i).and_then(|t| t.ok_or(Malformed)).map_err(&bad)?;
                        *tx_hash.insert(keccak256(raw))
                    }
                };
                let found = FoundLog { block, block_hash, tx_index: i as u32, tx_hash, log_index, log };
                if !each(found) {
                    return Ok(false);
                }
            }
            if let Some(wanted) = &mut wanted {
                // Damage must not hold us here: indices this receipt should have had are passed by.
                while wanted.next_if(|index| *index < behind).is_some() {}
                if wanted.peek().is_none() {
                    return Ok(true);
                }
            }
            i += 1;
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

/// Index of the receipt that holds a log, from `at` on, by the first log each receipt names.
fn receipt_with(receipts: &[u8], at: usize, n: usize, log: u32) -> codec::Decoded<usize> {
    let first = |i: usize| -> codec::Decoded<u32> {
        let item = codec::list_item(receipts, i)?.and_then(|b| b.get(..4)).ok_or(Malformed)?;
        Ok(u32::from_le_bytes(item.try_into().map_err(|_| Malformed)?))
    };
    let (mut low, mut high) = (at, n);
    // The last receipt that begins at or before the log.
    while high - low > 1 {
        let mid = low + (high - low) / 2;
        if first(mid)? <= log { low = mid } else { high = mid }
    }
    Ok(low)
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
