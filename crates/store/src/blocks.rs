//! Blocks, transactions and receipts, by number and by hash.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use trex_stf::{receipt::Receipt, state::State};

use std::sync::Arc;

use crate::{
    Body, Outline, Store, StoredTransaction, TxPlace,
    codec::{self, Malformed},
    error::{Result, StoreError},
    log::{EXTRA, FIRST_LOGS, HASHES, HEADER, LOGS, RECEIPTS, SENDERS, TXS},
    pages::Section,
    record::{self, Position},
    store::{malformed, position},
    trees::Table,
};

impl Store {
    fn position(&self, number: u64) -> Result<Option<Position>> {
        position(&self.snapshot(), number)
    }

    fn section(&self, number: u64, section: usize) -> Result<Option<Vec<u8>>> {
        self.position(number)?.map(|at| self.log.section(at.pos, section)).transpose()
    }

    /// Hash of a block.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Io`]; so for every read below.
    pub fn hash_by_number(&self, number: u64) -> Result<Option<B256>> {
        Ok(self.position(number)?.map(|at| at.hash))
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

    /// Hash and header of a block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn sealed_header(&self, number: u64) -> Result<Option<(B256, Header)>> {
        let Some(section) = self.section(number, HEADER)? else { return Ok(None) };
        let (hash, _, header) = record::take_header(&section).map_err(malformed("log"))?;
        Ok(Some((hash, header)))
    }

    /// Header of a block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn header_by_number(&self, number: u64) -> Result<Option<Header>> {
        Ok(self.sealed_header(number)?.map(|(_, header)| header))
    }

    /// Header of the block with a hash.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn header_by_hash(&self, hash: &B256) -> Result<Option<Header>> {
        self.number_by_hash(hash)?.map_or(Ok(None), |n| self.header_by_number(n))
    }

    /// Transactions of a block, their hashes and senders.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn body(&self, number: u64) -> Result<Option<Body>> {
        let Some(Position { pos, .. }) = self.position(number)? else { return Ok(None) };
        let frame = self.log.frame(pos)?;
        let section = |section| self.log.section_of(pos, &frame, section);
        Ok(Some(Body {
            transactions: record::transactions_of(&section(TXS)?).map_err(malformed("log"))?,
            hashes: record::hashes_of(&section(HASHES)?),
            senders: section(SENDERS)?.chunks_exact(20).map(Address::from_slice).collect(),
        }))
    }

    /// What of a block is known without its transactions.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn outline(&self, number: u64) -> Result<Option<Outline>> {
        let Some(Position { pos, .. }) = self.position(number)? else { return Ok(None) };
        let frame = self.log.frame(pos)?;
        let header = self.log.section_of(pos, &frame, HEADER)?;
        let (_, body_bytes, _) = record::take_header(&header).map_err(malformed("log"))?;
        let tx_hashes = record::hashes_of(&self.log.section_of(pos, &frame, HASHES)?);
        Ok(Some(Outline { tx_hashes, body_bytes }))
    }

    /// Receipts of a block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn receipts(&self, number: u64) -> Result<Option<Vec<Receipt>>> {
        let Some(Position { pos, .. }) = self.position(number)? else { return Ok(None) };
        let frame = self.log.frame(pos)?;
        let section = |section| self.log.section_of(pos, &frame, section);
        let receipts = record::receipts_of(&section(RECEIPTS)?, &section(FIRST_LOGS)?, &section(LOGS)?);
        receipts.map(Some).map_err(malformed("log"))
    }

    /// One receipt, and the number of logs before it in its block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn receipt(&self, place: TxPlace) -> Result<Option<(u32, Receipt)>> {
        let Some(Position { pos, .. }) = self.position(place.block)? else { return Ok(None) };
        let frame = self.log.frame(pos)?;
        let open = |section| Section::open(&self.log, pos, &frame, section);
        let i = place.index as usize;
        let bad = malformed("log");
        let mut receipt = match open(RECEIPTS)?.run(i..i + 1)? {
            Some(bytes) => codec::take_receipt(&bytes).map_err(&bad)?,
            None => return Ok(None),
        };
        let (mut firsts, mut logs) = (open(FIRST_LOGS)?, open(LOGS)?);
        let first = firsts.number(i)?;
        let end = if 4 * (i + 1) < firsts.len() { firsts.number(i + 1)? as usize } else { logs.items()? };
        let run = logs.run(first as usize..end)?.ok_or_else(|| bad(Malformed))?;
        receipt.logs = codec::take_logs(&run, end - first as usize).map_err(&bad)?;
        Ok(Some((first, receipt)))
    }

    /// Number of transactions of a block.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn transaction_count(&self, number: u64) -> Result<Option<u32>> {
        let Some(Position { pos, .. }) = self.position(number)? else { return Ok(None) };
        Ok(Some((self.log.frame(pos)?.section(SENDERS).1 / 20) as u32))
    }

    /// One transaction.
    ///
    /// # Errors
    /// As [`Store::hash_by_number`].
    pub fn transaction(&self, place: TxPlace) -> Result<Option<StoredTransaction>> {
        let Some(Position { pos, .. }) = self.position(place.block)? else { return Ok(None) };
        let frame = self.log.frame(pos)?;
        let open = |section| Section::open(&self.log, pos, &frame, section);
        let i = place.index as usize;
        let encoded = match open(TXS)?.run(i..i + 1)? {
            Some(bytes) => Bytes::copy_from_slice(&bytes),
            None => return Ok(None),
        };
        let hash = B256::from_slice(&open(HASHES)?.read(32 * i..32 * (i + 1))?);
        let sender = Address::from_slice(&open(SENDERS)?.read(20 * i..20 * (i + 1))?);
        Ok(Some(StoredTransaction { encoded, hash, sender }))
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
