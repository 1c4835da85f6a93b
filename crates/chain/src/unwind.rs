//! Going back to an earlier block, and what becomes of the transactions above it.

use std::sync::{Arc, MutexGuard};

use trex_stf::{state_trie::StateTrie, transaction::Transaction};
use trex_store::{StoreError, StoredTransaction};

use crate::{
    chain::{Chain, Head, load_head},
    dev::Dev,
    error::ChainError,
    settle::L1Heads,
};

impl Chain {
    /// Goes back to block `number`. Ordinary transactions of the blocks above return to the mempool,
    /// those that are still valid.
    pub fn unwind(&self, number: u64) -> Result<Arc<Head>, ChainError> {
        let mut trie = self.write();
        let (head, orphaned) = self.unwind_held(&mut trie, number)?;
        let _dev = self.dev();
        self.reread_pool(orphaned)?;
        Ok(head)
    }

    /// Goes back to block `number`, for who holds the writer's lock. The transactions it answers with have
    /// no block any more: they are in the mempool's journal, and wait for [`Self::reread_pool`].
    pub(crate) fn unwind_held(
        &self,
        trie: &mut StateTrie,
        number: u64,
    ) -> Result<(Arc<Head>, Vec<Transaction>), ChainError> {
        let orphaned = self.ordinary_above(number)?;
        self.pool().remember(&orphaned).map_err(|error| ChainError::Pool(error.to_string()))?;
        let head = self.forget_above(trie, &self.dev(), number)?;
        Ok((head, orphaned))
    }

    /// Goes back to block `number`. The mempool still is where it was.
    pub(crate) fn forget_above(
        &self,
        trie: &mut StateTrie,
        _dev: &MutexGuard<'_, Dev>,
        number: u64,
    ) -> Result<Arc<Head>, ChainError> {
        let heads = *self.heads();
        if number < heads.finalized {
            let finalized = heads.finalized;
            return Err(ChainError::Heads(format!("block {finalized} is final: no way back to {number}")));
        }
        if number < heads.safe {
            // First: a block that takes the place of a safe one must not pass for it.
            self.record_heads(L1Heads { safe: number, ..heads })?;
        }
        self.store().unwind_to(number)?;
        let head = Arc::new(load_head(self.network(), self.store())?);
        *trie = StateTrie::new(head.header.state_root);
        self.publish(|newest| newest.head = head.clone());
        Ok(head)
    }

    /// Ordinary transactions of the blocks above `number`, in their order: as many, and as many bytes, as
    /// the mempool may hold.
    fn ordinary_above(&self, number: u64) -> Result<Vec<Transaction>, ChainError> {
        let config = self.pool().config();
        let (mut found, mut bytes) = (Vec::new(), 0);
        // By the store: after a block that could not be stored it may not be where the head is.
        let last = self.store().head().map_or(number, |head| head.number);
        for number in number.saturating_add(1)..=last {
            let Some(body) = self.store().body(number)? else { continue };
            for StoredTransaction { encoded, hash, sender } in body {
                bytes += encoded.len();
                if found.len() == config.max_transactions || bytes > config.max_bytes {
                    return Ok(found);
                }
                let tx = Transaction::with_sender(encoded, hash, sender).map_err(|error| {
                    let detail = format!("transaction {hash}: {error}");
                    StoreError::Corrupt { place: format!("body of block {number}"), detail }
                })?;
                if !tx.is_deposit() {
                    found.push(tx);
                }
            }
        }
        Ok(found)
    }
}
