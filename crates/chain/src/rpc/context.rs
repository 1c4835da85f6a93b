//! What every method starts from: the node's reads, the limits, and blocks found by tag, number or hash.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_primitives::B256;
use trex_stf::{receipt::Receipt, transaction::Transaction};

use super::{
    error::RpcError,
    exec::Env,
    limits::Limits,
    overlay::Overlay,
    params::BlockId,
    reader::{PendingBlock, Reader, SealedHeader},
};

/// One request's surroundings.
#[derive(Debug)]
pub struct Rpc<'a, R> {
    /// The node.
    pub reader: &'a R,
    /// Its limits.
    pub limits: &'a Limits,
}

/// A block with everything in it; without a hash it is the pending one.
#[derive(Clone, Debug)]
pub struct FullBlock {
    /// Header.
    pub header: Header,
    /// Its hash; `None` for the pending block.
    pub hash: Option<B256>,
    /// Transactions.
    pub transactions: Vec<Transaction>,
    /// Receipts; left empty where nobody asked for them.
    pub receipts: Vec<Receipt>,
}

/// State after a block, and the block's header.
#[derive(Debug)]
pub struct Snapshot<S> {
    /// Header.
    pub header: Header,
    /// Its hash; `None` for the pending block.
    pub hash: Option<B256>,
    /// State of the block, or of the pending block's parent.
    pub state: S,
    pending: Option<Arc<PendingBlock>>,
}

impl<S: trex_stf::state::State> Snapshot<S> {
    /// The state, to be changed freely.
    pub fn overlay(&self) -> Overlay<'_, S> {
        let mut overlay = Overlay::new(&self.state);
        if let Some(pending) = &self.pending {
            overlay.commit(&pending.changes);
        }
        overlay
    }
}

/// geth's words for a block that is not there.
pub fn not_found(id: BlockId) -> RpcError {
    RpcError::server(match id {
        BlockId::Hash(_) => "header for hash not found",
        _ => "header not found",
    })
}

impl<'a, R: Reader> Rpc<'a, R> {
    /// Header of a block that is not pending.
    pub fn header(&self, id: BlockId) -> Result<Option<SealedHeader>, RpcError> {
        Ok(match id {
            BlockId::Latest | BlockId::Pending => Some(self.reader.head()?),
            BlockId::Safe => self.reader.header(self.reader.l1_heads()?.safe)?,
            BlockId::Finalized => self.reader.header(self.reader.l1_heads()?.finalized)?,
            BlockId::Number(number) => self.reader.header(number)?,
            BlockId::Hash(hash) => match self.reader.number_of(&hash)? {
                Some(number) => self.reader.header(number)?,
                None => None,
            },
        })
    }

    /// [`Self::header`], or geth's error.
    pub fn known_header(&self, id: BlockId) -> Result<SealedHeader, RpcError> {
        self.header(id)?.ok_or_else(|| not_found(id))
    }

    /// A block, with its receipts if asked for.
    pub fn block(&self, id: BlockId, receipts: bool) -> Result<Option<FullBlock>, RpcError> {
        if id == BlockId::Pending {
            let pending = self.reader.pending()?;
            return Ok(Some(FullBlock {
                header: pending.header.clone(),
                hash: None,
                transactions: pending.transactions.clone(),
                receipts: pending.receipts.clone(),
            }));
        }
        let Some(header) = self.header(id)? else { return Ok(None) };
        self.block_of(&header, receipts).map(Some)
    }

    /// The block under a header.
    pub fn block_of(&self, header: &SealedHeader, receipts: bool) -> Result<FullBlock, RpcError> {
        let transactions = self.reader.transactions(header.number)?;
        let receipts = receipts || transactions.first().is_some_and(Transaction::is_deposit);
        Ok(FullBlock {
            receipts: if receipts { self.reader.receipts(header.number)? } else { Vec::new() },
            transactions,
            hash: Some(header.hash()),
            header: header.inner().clone(),
        })
    }

    /// State after a block.
    pub fn snapshot(&self, id: BlockId) -> Result<Snapshot<R::State>, RpcError> {
        if id == BlockId::Pending {
            let pending = self.reader.pending()?;
            return Ok(Snapshot {
                state: self.reader.state_at(pending.header.number.saturating_sub(1))?,
                header: pending.header.clone(),
                hash: None,
                pending: Some(pending),
            });
        }
        let (header, state) = if id == BlockId::Latest {
            self.reader.newest()?
        } else {
            let header = self.known_header(id)?;
            let state = self.reader.state_at(header.number)?;
            (header, state)
        };
        Ok(Snapshot { state, hash: Some(header.hash()), header: header.inner().clone(), pending: None })
    }

    /// Rules and facts of the block with this header.
    pub fn env(&self, header: &Header) -> Env {
        Env::of_block(self.reader.params(), header)
    }

    /// Refuses an answer that is too large.
    pub fn bounded(&self, answer: Vec<u8>) -> Result<Vec<u8>, RpcError> {
        if answer.len() > self.limits.response_bytes {
            return Err(RpcError::limit(
                "response_bytes",
                self.limits.response_bytes,
                "the answer would be too large",
            ));
        }
        Ok(answer)
    }
}
