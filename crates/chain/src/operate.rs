//! Operating a chain: gauges, sizes, verification, compaction, and what subscriptions are fed with.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use trex_stf::ordered_root::ordered_root;
use trex_store::{Options, Store, StoreError};

use crate::{
    chain::{Chain, ChainError},
    network::Network,
    rpc::{
        self, context::Rpc, error::RpcError, filter::LogFilter, limits::Limits, params::BlockId,
        reader::Reader,
    },
    transfer::Progress,
};

/// Makes the store's tables anew in a data directory that nobody has open: what someone else wrote into them
/// besides values and trie nodes is gone. State is kept from the newest block on.
pub fn rewrite_tables(
    directory: &Path,
    network: &Network,
    cache_bytes: u64,
    progress: &mut dyn FnMut(Progress, &str),
) -> Result<(), ChainError> {
    let options = Options { cache_bytes, ..Options::new(network.hash) };
    let store = Store::open(directory.join("store"), options)?;
    Ok(store.rewrite_tables(&mut |what, done, of| progress(Progress { done, of }, what))?)
}

impl Chain {
    /// Gauges for metrics, by name with unit.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let head = self.head();
        let pool = self.pool().status();
        BTreeMap::from([
            ("head_number", head.header.number),
            ("head_slot", head.slot),
            ("pool_pending", pool.pending as u64),
            ("pool_queued", pool.queued as u64),
            ("pool_senders", pool.senders as u64),
            ("pool_bytes", pool.bytes as u64),
            ("pool_journal_bytes", pool.journal_bytes),
            ("pool_dropped", pool.dropped),
            ("store_earliest_state", self.store().earliest_state()),
        ])
    }

    /// Tables, sizes and the range of kept blocks, as JSON.
    pub fn stats_json(&self) -> Result<Vec<u8>, ChainError> {
        let stats = self.store().stats()?;
        let tables: Vec<_> = stats
            .tables
            .iter()
            .map(|table| json!({"name": table.name, "entries": table.entries, "bytes": table.bytes}))
            .collect();
        let head = self.head();
        Ok(json!({
            "network": self.network().name,
            "head": {"number": head.header.number, "hash": head.header.hash()},
            "earliest_state": stats.earliest_state,
            "disk_bytes": stats.disk_bytes,
            "memtable_bytes": stats.memtable_bytes,
            "tables": tables,
        })
        .to_string()
        .into_bytes())
    }

    /// Checks every block and the state from its root down. What is found wrong is in the answer, JSON
    /// `{ok, checked, faults}`; `progress` answers false to stop.
    pub fn verify_json(
        &self,
        progress: &mut dyn FnMut(Progress, &str) -> bool,
    ) -> Result<Vec<u8>, ChainError> {
        let mut check = |header: &alloy_consensus::Header,
                         body: &trex_store::Body,
                         receipts: &[trex_stf::receipt::Receipt]|
         -> Result<(), String> {
            if ordered_root(&body.transactions) != header.transactions_root {
                return Err("transactions root differs".into());
            }
            let encoded: Vec<Vec<u8>> = receipts
                .iter()
                .map(|receipt| {
                    let mut out = Vec::new();
                    receipt.encode_2718(&mut out);
                    out
                })
                .collect();
            if ordered_root(&encoded) != header.receipts_root {
                return Err("receipts root differs".into());
            }
            Ok(())
        };
        let verified = self.store().verify(Some(&mut check), &mut |what, done, of| {
            progress(Progress { done, of }, what);
        });
        let answer = match verified {
            Ok(found) => json!({
                "ok": true,
                "checked": {
                    "blocks": found.blocks,
                    "entries": found.entries,
                    "accounts": found.accounts,
                    "slots": found.slots,
                    "nodes": found.nodes,
                    "unreachable_nodes": found.unreachable_nodes,
                    "past_values": found.past_values,
                },
                "faults": [],
            }),
            Err(fault @ StoreError::Corrupt { .. }) => {
                json!({"ok": false, "checked": {}, "faults": [fault.to_string()]})
            }
            Err(other) => return Err(other.into()),
        };
        Ok(answer.to_string().into_bytes())
    }

    /// Merges every table; JSON `{bytes_before, bytes_after}`.
    pub fn compact_json(&self) -> Result<Vec<u8>, ChainError> {
        let before = self.store().stats()?.disk_bytes;
        self.store().compact(&mut |_, _| {})?;
        let after = self.store().stats()?.disk_bytes;
        Ok(json!({"bytes_before": before, "bytes_after": after}).to_string().into_bytes())
    }

    /// How many transactions are executable and how many queued; those that wait unsigned for the next
    /// block count as executable.
    pub fn pool_len(&self) -> (usize, usize) {
        let status = self.pool().status();
        (status.pending + self.unsigned_len(), status.queued)
    }

    /// What became executable after `cursor`, oldest first, as JSON: hashes, or with `full` the
    /// transactions. Without a cursor nothing, and the present one.
    pub fn pending_since(&self, cursor: Option<u64>, full: bool, limit: usize) -> (u64, Vec<Vec<u8>>) {
        let Some(cursor) = cursor else { return (self.pool().cursor(), Vec::new()) };
        let (next, mut hashes) = self.pool().announced_since(cursor);
        // Announcements are numbered one by one: what is cut off is asked for again.
        let cut = hashes.len().saturating_sub(limit);
        hashes.truncate(limit);
        let items = hashes
            .into_iter()
            .filter_map(|hash| match full {
                false => Some(format!("\"{hash}\"").into_bytes()),
                true => self.pooled(&hash).map(|tx| {
                    let mut out = Vec::new();
                    rpc::shapes::put_transaction(&mut out, &tx, None, None);
                    out
                }),
            })
            .collect();
        (next - cut as u64, items)
    }

    /// For each filter, JSON `{address?, topics?}`, the matching logs of a block as JSON.
    pub fn match_logs(
        &self,
        number: u64,
        filters: &[Vec<u8>],
        limits: &Limits,
    ) -> Result<Vec<Vec<Vec<u8>>>, RpcError> {
        let filters: Vec<LogFilter> = filters
            .iter()
            .map(|filter| {
                let text =
                    std::str::from_utf8(filter).map_err(|error| RpcError::params(error.to_string()))?;
                let filter = LogFilter::parse(text).map_err(RpcError::params)?;
                filter.check(limits).map(|()| filter)
            })
            .collect::<Result<_, RpcError>>()?;
        let reader = Rpc { reader: self, limits };
        let block = reader.block(BlockId::Number(number), true)?;
        Ok(block.map_or_else(
            || vec![Vec::new(); filters.len()],
            |block| rpc::logs::match_block(&block, &filters),
        ))
    }
}
