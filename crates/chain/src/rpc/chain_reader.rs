//! The node's chain as JSON-RPC reads it.

use std::sync::Arc;

use alloy_consensus::{Header, Sealed};
use alloy_primitives::{Address, B256};
use trex_stf::{
    block::Overwrite,
    header::{slot, timestamp},
    params::NetworkParams,
    receipt::Receipt,
    transaction::Transaction,
};
use trex_store::{StoreError, StoredTransaction, TxPlace as StorePlace};

use super::{
    filter::LogFilter,
    reader::{
        FoundLog, NetworkInfo, Outline, PendingBlock, Pooled, ReadError, Reader, SealedHeader, TxPlace,
    },
};
use crate::{
    chain::{Chain, ChainError, ChainState},
    dev::Patched,
    pool::Content,
    settle::L1Heads,
};

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Pruned { block, earliest } => Self::Pruned { number: block, oldest: earliest },
            other => Self::Fault(other.to_string()),
        }
    }
}

impl From<ChainError> for ReadError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Store(error) => error.into(),
            other => Self::Fault(other.to_string()),
        }
    }
}

fn fault(error: impl std::fmt::Display) -> ReadError {
    ReadError::Fault(error.to_string())
}

/// A transaction of our own store.
fn stored(StoredTransaction { encoded, hash, sender }: StoredTransaction) -> Result<Transaction, ReadError> {
    Transaction::with_sender(encoded, hash, sender).map_err(fault)
}

fn place(place: StorePlace) -> TxPlace {
    (place.block, place.index)
}

fn store_place((block, index): TxPlace) -> StorePlace {
    StorePlace { block, index }
}

fn store_filter(filter: &LogFilter) -> trex_store::LogFilter {
    let mut topics: [Vec<B256>; 4] = Default::default();
    for (into, from) in topics.iter_mut().zip(&filter.topics) {
        into.clone_from(from);
    }
    trex_store::LogFilter { addresses: filter.addresses.clone(), topics }
}

/// The pool's view by sender.
fn by_sender(content: Content) -> Vec<Pooled> {
    let mut pooled: std::collections::BTreeMap<Address, Pooled> = std::collections::BTreeMap::new();
    let entry = |sender: Address| Pooled { sender, ..Pooled::default() };
    for (sender, transactions) in content.pending {
        pooled.entry(sender).or_insert_with(|| entry(sender)).pending =
            transactions.iter().map(|tx| Arc::new(tx.transaction().clone())).collect();
    }
    for (sender, transactions) in content.queued {
        pooled.entry(sender).or_insert_with(|| entry(sender)).queued =
            transactions.iter().map(|tx| Arc::new(tx.transaction().clone())).collect();
    }
    pooled.into_values().collect()
}

impl Reader for Chain {
    type State = ChainState;

    fn params(&self) -> &NetworkParams {
        Chain::params(self)
    }

    fn network(&self) -> NetworkInfo {
        let network = Chain::network(self);
        NetworkInfo {
            name: network.name.clone(),
            hash: network.hash,
            genesis_hash: self.genesis_hash(),
            max_idle_ms: network.max_idle_ms,
            gas_limit: network.gas_limit,
            has_l1: network.l1.is_some(),
        }
    }

    fn head(&self) -> Result<SealedHeader, ReadError> {
        Ok(Chain::head(self).header.clone())
    }

    fn l1_heads(&self) -> Result<L1Heads, ReadError> {
        Ok(Chain::l1_heads(self))
    }

    fn header(&self, number: u64) -> Result<Option<SealedHeader>, ReadError> {
        let head = Chain::head(self);
        if number == head.header.number {
            return Ok(Some(head.header.clone()));
        }
        let found = self.store().sealed_header(number)?;
        Ok(found.map(|(hash, header)| Arc::new(Sealed::new_unchecked(header, hash))))
    }

    fn number_of(&self, hash: &B256) -> Result<Option<u64>, ReadError> {
        Ok(self.store().number_by_hash(hash)?)
    }

    fn outline(&self, number: u64) -> Result<Outline, ReadError> {
        let found = self.store().outline(number)?;
        Ok(found.map_or_else(Outline::default, |found| Outline {
            tx_hashes: found.tx_hashes,
            body_bytes: found.body_bytes,
        }))
    }

    fn transactions(&self, number: u64) -> Result<Vec<Transaction>, ReadError> {
        self.store().body(number)?.unwrap_or_default().into_iter().map(stored).collect()
    }

    fn transaction(&self, number: u64, index: u32) -> Result<Option<Transaction>, ReadError> {
        let found = self.store().transaction(StorePlace { block: number, index })?;
        found.map(stored).transpose()
    }

    fn transaction_count(&self, number: u64) -> Result<u64, ReadError> {
        Ok(self.store().transaction_count(number)?.unwrap_or_default().into())
    }

    fn receipts(&self, number: u64) -> Result<Vec<Receipt>, ReadError> {
        Ok(self.store().receipts(number)?.unwrap_or_default())
    }

    fn receipt(&self, number: u64, index: u32) -> Result<Option<(Receipt, u64)>, ReadError> {
        let found = self.store().receipt(StorePlace { block: number, index })?;
        Ok(found.map(|(first_log, receipt)| (receipt, first_log.into())))
    }

    fn locate(&self, hash: &B256) -> Result<Option<TxPlace>, ReadError> {
        Ok(self.store().find_transaction(hash)?.map(place))
    }

    fn state_at(&self, number: u64) -> Result<ChainState, ReadError> {
        let newest = Chain::newest(self);
        if number == newest.head.header.number {
            return Ok(newest.state());
        }
        self.kept_state(number)
    }

    fn newest(&self) -> Result<(SealedHeader, ChainState), ReadError> {
        let newest = Chain::newest(self);
        Ok((newest.head.header.clone(), newest.state()))
    }

    fn kept_state(&self, number: u64) -> Result<ChainState, ReadError> {
        Ok(Patched::plain(Arc::new(self.store().state_at(number)?)))
    }

    fn overwrites(&self, number: u64) -> Result<Vec<Overwrite>, ReadError> {
        Ok(self.overwrites_of(number)?)
    }

    fn next_timestamp(&self, parent: &Header) -> u64 {
        let after = slot(parent).unwrap_or_default() + 1;
        timestamp(Chain::params(self), self.outlook().slot.max(after))
    }

    fn pending(&self) -> Result<Arc<PendingBlock>, ReadError> {
        Ok(self.pending_block()?)
    }

    fn logs(
        &self,
        filter: &LogFilter,
        first: u64,
        last: u64,
        each: &mut dyn FnMut(FoundLog) -> bool,
    ) -> Result<(), ReadError> {
        let wanted = store_filter(filter);
        self.store().logs(first, last, &wanted, &mut |found| {
            // The index knows no filter that asks for a topic of any value to be there.
            if found.log.topics().len() < filter.topics.len() {
                return true;
            }
            each(FoundLog {
                block: found.block,
                block_hash: found.block_hash,
                timestamp: found.timestamp,
                tx_index: found.tx_index,
                tx_hash: found.tx_hash,
                log_index: found.log_index,
                log: found.log,
            })
        })?;
        Ok(())
    }

    fn appearances_from(
        &self,
        address: &Address,
        from: TxPlace,
        each: &mut dyn FnMut(TxPlace) -> bool,
    ) -> Result<(), ReadError> {
        Ok(self.store().appearances_from(address, store_place(from), &mut |at| each(place(at)))?)
    }

    fn appearances_back(
        &self,
        address: &Address,
        to: TxPlace,
        each: &mut dyn FnMut(TxPlace) -> bool,
    ) -> Result<(), ReadError> {
        Ok(self.store().appearances_back(address, store_place(to), &mut |at| each(place(at)))?)
    }

    fn creation(&self, contract: &Address) -> Result<Option<TxPlace>, ReadError> {
        Ok(self.store().contract_creator(contract)?.map(place))
    }

    fn by_sender_and_nonce(&self, sender: &Address, nonce: u64) -> Result<Option<TxPlace>, ReadError> {
        Ok(self.store().transaction_by_sender_nonce(sender, nonce)?.map(place))
    }

    fn indexes_addresses(&self) -> bool {
        self.store().options().index_addresses
    }

    fn slots(
        &self,
        number: u64,
        address: &Address,
        each: &mut dyn FnMut(alloy_primitives::U256, alloy_primitives::U256) -> bool,
    ) -> Result<(), ReadError> {
        let state = self.store().state_at(number)?;
        Ok(state.slots(address, &alloy_primitives::U256::ZERO, each)?)
    }

    fn pooled(&self, hash: &B256) -> Option<Arc<Transaction>> {
        self.pool().get(hash).map(|tx| Arc::new(tx.transaction().clone()))
    }

    fn pooled_nonce(&self, sender: &Address) -> Option<u64> {
        self.pool().next_nonce(sender)
    }

    fn pool_status(&self) -> (usize, usize) {
        let status = self.pool().status();
        (status.pending, status.queued)
    }

    fn pool_content(&self, limit: usize) -> Option<Vec<Pooled>> {
        self.pool().content(limit).map(by_sender)
    }

    fn pool_content_of(&self, sender: &Address) -> Pooled {
        by_sender(self.pool().content_from(sender))
            .pop()
            .unwrap_or(Pooled { sender: *sender, ..Pooled::default() })
    }
}
