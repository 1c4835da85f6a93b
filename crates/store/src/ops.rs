//! Table entries that blocks, ways back and replay make.

use std::collections::BTreeMap;

use alloy_primitives::B256;

use crate::{
    codec::{self, Reader},
    error::Result,
    log::{self, ACTS, FLAT, Kind, LogReader, NODES, Pos, Record},
    record::{self, Acts, Entries, Replayed},
    store::malformed,
    trees::{Op, Table},
};

/// Every entry a block makes, pruning aside.
pub(crate) fn block_ops(e: &Entries<'_>) -> Vec<Op> {
    let mut ops = record::current_ops(e.diff, false);
    ops.extend(e.diff.codes.iter().map(|(h, c)| (Table::Flat, record::code_key(h), Some(c.as_ref().into()))));
    ops.extend(record::finding_ops(e));
    ops.extend(record::meta_ops(&e.acts.meta));
    ops.push(record::head_op(e.number, &e.at.hash));
    ops
}

/// Removes the history a block made.
pub(crate) fn prune_ops(log: &LogReader, number: u64, pos: Pos) -> Result<Vec<Op>> {
    let frame = log.frame(pos)?;
    let mut diff = codec::take_flat(&log.section_of(pos, &frame, FLAT)?).map_err(malformed("log"))?;
    diff.nodes = codec::take_nodes(&log.section_of(pos, &frame, NODES)?).map_err(malformed("log"))?.0;
    Ok(record::history_keys(number, &diff).into_iter().map(|k| (Table::History, k, None)).collect())
}

/// Undoes blocks, given from the newest down, and makes `to` the head.
pub(crate) fn unwind_ops(log: &LogReader, to: u64, hash: &B256, undone: &[(u64, Pos)]) -> Result<Vec<Op>> {
    let mut ops = BTreeMap::new();
    for &(_, pos) in undone {
        let record = log.record(pos)?;
        let block = Replayed::parse(&record).map_err(malformed("log"))?;
        // An older block's old values replace a newer one's: what is left is from before all of them.
        for (t, k, v) in record::current_ops(&block.diff, true) {
            ops.insert((t, k), v);
        }
        for (t, k, _) in record::finding_ops(&block.entries(&record, pos)) {
            ops.insert((t, k), None);
        }
    }
    let mut ops: Vec<Op> = ops.into_iter().map(|((t, k), v)| (t, k, v)).collect();
    ops.push(record::head_op(to, hash));
    Ok(ops)
}

/// What a record did, read back from it.
pub(crate) fn replay_ops(log: &LogReader, pos: Pos, record: &Record) -> Result<Vec<Op>> {
    match record.frame.kind {
        Kind::Block => {
            let block = Replayed::parse(record).map_err(malformed("log"))?;
            let mut ops = block_ops(&block.entries(record, pos));
            for &(number, pos) in &block.acts.pruned {
                ops.extend(prune_ops(log, number, pos)?);
            }
            if let Some((last, _)) = block.acts.pruned.last() {
                ops.push(record::earliest_op(*last));
            }
            Ok(ops)
        }
        Kind::Unwind => {
            let acts = Acts::decode(record.section(ACTS)).map_err(malformed("log"))?;
            let hash = Reader(record.section(log::HEADER)).hash().map_err(malformed("log"))?;
            unwind_ops(log, record.frame.number, &hash, &acts.pruned)
        }
        Kind::Meta => {
            Ok(record::meta_ops(&Acts::decode(record.section(ACTS)).map_err(malformed("log"))?.meta))
        }
    }
}
