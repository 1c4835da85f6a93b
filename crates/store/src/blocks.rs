//! Blocks, transactions and receipts, by number and by hash.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::Decodable;
use trex_stf::{receipt::Receipt, state::State};

use crate::{
    Body, Store, TxPlace,
    codec::{self, Malformed},
    error::{Result, StoreError},
    log::{EXTRA, HEADER, Pos, RECEIPTS, SENDERS, TXS},
    record,
    store::{malformed, position},
    trees::Table,
};
use std::sync::Arc;

impl Store {
    fn place(&self, number: u64) -> Result<Option<(Pos, B256)>> {
        position(&self.snapshot(), number)
    }

    fn section(&self, number: u64, section: usize) -> Result<Option<Vec<u8>>> {
        self.place(number)?.map(|(pos, _)| self.log.section(pos, section)).transpose()
    }

    /// Hash of a block.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Io`]; so for every read below.
    pub fn hash_by_number(&self, number: u64) -> Result<Option<B256>> {
        Ok(self.place(number)?.map(|p| p.1))
    }

    /// Number of the block with a hash.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn number_by_hash(&self, hash: &B256) -> Result<Option<u64>> {
        let Some(v) = self.snapshot().get(Table::Lookup, &record::hash_key(hash))? else { return Ok(None) };
        let n = v.as_ref().try_into().map_err(|_| StoreError::corrupt("table lookup", "bad hash entry"))?;
        Ok(Some(u64::from_be_bytes(n)))
    }

    /// Header of a block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn header_by_number(&self, number: u64) -> Result<Option<Header>> {
        let Some(s) = self.section(number, HEADER)? else { return Ok(None) };
        let header = s.get(32..).and_then(|mut rlp| Header::decode(&mut rlp).ok());
        header.map(Some).ok_or_else(|| malformed("log")(Malformed))
    }

    /// Header of the block with a hash.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn header_by_hash(&self, hash: &B256) -> Result<Option<Header>> {
        self.number_by_hash(hash)?.map_or(Ok(None), |n| self.header_by_number(n))
    }

    /// Transactions and senders of a block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn body(&self, number: u64) -> Result<Option<Body>> {
        let Some((pos, _)) = self.place(number)? else { return Ok(None) };
        let frame = self.log.frame(pos)?;
        let transactions =
            record::transactions_of(&self.log.section_of(pos, &frame, TXS)?).map_err(malformed("log"))?;
        let senders =
            self.log.section_of(pos, &frame, SENDERS)?.chunks_exact(20).map(Address::from_slice).collect();
        Ok(Some(Body { transactions, senders }))
    }

    /// Receipts of a block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn receipts(&self, number: u64) -> Result<Option<Vec<Receipt>>> {
        let Some(s) = self.section(number, RECEIPTS)? else { return Ok(None) };
        record::receipts_of(&s).map(Some).map_err(malformed("log"))
    }

    /// One receipt, and the number of logs before it in its block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn receipt(&self, place: TxPlace) -> Result<Option<(u32, Receipt)>> {
        let Some(s) = self.section(place.block, RECEIPTS)? else { return Ok(None) };
        let item = codec::list_item(&s, place.index as usize).map_err(malformed("log"))?;
        item.map(codec::take_receipt).transpose().map_err(malformed("log"))
    }

    /// Number of transactions of a block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn transaction_count(&self, number: u64) -> Result<Option<u32>> {
        let Some((pos, _)) = self.place(number)? else { return Ok(None) };
        Ok(Some((self.log.frame(pos)?.section(SENDERS).1 / 20) as u32))
    }

    /// A transaction's EIP-2718 bytes and sender.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn transaction(&self, place: TxPlace) -> Result<Option<(Bytes, Address)>> {
        let Some((pos, _)) = self.place(place.block)? else { return Ok(None) };
        let frame = self.log.frame(pos)?;
        let txs = self.log.section_of(pos, &frame, TXS)?;
        let senders = self.log.section_of(pos, &frame, SENDERS)?;
        let i = place.index as usize;
        let Some(raw) = codec::list_item(&txs, i).map_err(malformed("log"))? else { return Ok(None) };
        let sender = senders.get(20 * i..20 * i + 20).ok_or_else(|| malformed("log")(Malformed))?;
        Ok(Some((Bytes::copy_from_slice(raw), Address::from_slice(sender))))
    }

    /// Where the transaction with a hash is.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn find_transaction(&self, hash: &B256) -> Result<Option<TxPlace>> {
        let Some(v) = self.snapshot().get(Table::Lookup, &record::tx_key(hash))? else { return Ok(None) };
        let parse = || {
            Some(TxPlace {
                block: u64::from_be_bytes(v.get(..8)?.try_into().ok()?),
                index: u32::from_be_bytes(v.get(8..)?.try_into().ok()?),
            })
        };
        parse().map(Some).ok_or_else(|| StoreError::corrupt("table lookup", "bad transaction entry"))
    }

    /// The chain layer's own bytes of a block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn extra(&self, number: u64) -> Result<Option<Vec<u8>>> {
        self.section(number, EXTRA)
    }

    /// A meta entry.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn get_meta(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.snapshot().get(Table::Lookup, &record::meta_key(key))?.map(|v| v.to_vec()))
    }

    /// The transaction of `sender` with `nonce`, found by its nonce in the kept states.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn transaction_by_sender_nonce(
        self: &Arc<Self>,
        sender: &Address,
        nonce: u64,
    ) -> Result<Option<TxPlace>> {
        let Some(head) = self.head() else { return Ok(None) };
        let passed = |block: u64| -> Result<bool> {
            Ok(self.state_at(block)?.account(sender)?.is_some_and(|a| a.nonce > nonce))
        };
        let (mut low, mut high) = (self.earliest_state(), head.number);
        if !passed(high)? || passed(low)? {
            return Ok(None);
        }
        while high - low > 1 {
            let mid = low + (high - low) / 2;
            if passed(mid)? {
                high = mid;
            } else {
                low = mid;
            }
        }
        // Several of one sender in a block run in order of nonce; the last one's nonce is the state's less one.
        let Some(body) = self.body(high)? else { return Ok(None) };
        let mine: Vec<u32> = (0..).zip(&body.senders).filter(|(_, s)| *s == sender).map(|(i, _)| i).collect();
        let before = self.state_at(high - 1)?.account(sender)?.map_or(0, |a| a.nonce);
        let index = usize::try_from(nonce - before.min(nonce)).unwrap_or(usize::MAX);
        Ok(mine.get(index).map(|i| TxPlace { block: high, index: *i }))
    }
}
