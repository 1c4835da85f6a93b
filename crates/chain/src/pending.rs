//! The block in the making: what the mempool gives if a block is built now.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy_primitives::B256;

use crate::{
    batches::Room,
    chain::{Chain, ChainError, Newest, fault},
    dev::Waiting,
    rpc::reader::PendingBlock,
};

/// Longest time spent on filling it.
const FILL_TIME: Duration = Duration::from_millis(200);

/// What a block made now would be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextBlock {
    /// Its slot; one that is not above the head's stands for the next above it.
    pub slot: u64,
    /// Its gas limit; `None` is the network's.
    pub gas_limit: Option<u64>,
}

/// Tells what a block made now would be given: the clock is not the chain's.
pub type Outlook = Box<dyn Fn() -> NextBlock + Send + Sync>;

/// What a block in the making was made of. The same again gives the same block.
struct Key {
    head: B256,
    waiting: Arc<Waiting>,
    pool: u64,
    next: NextBlock,
    room: Room,
}

impl Key {
    fn is(&self, other: &Self) -> bool {
        self.head == other.head
            && Arc::ptr_eq(&self.waiting, &other.waiting)
            && self.pool == other.pool
            && self.next == other.next
            && self.room == other.room
    }
}

/// The block in the making as it was last asked for.
#[derive(Default)]
pub(crate) struct Pending {
    outlook: Mutex<Option<Arc<Outlook>>>,
    last: Mutex<Option<(Key, Arc<PendingBlock>)>>,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl Chain {
    /// Sets where the block in the making has its slot from. Without it, that is the slot after the
    /// head's.
    pub fn set_outlook(&self, outlook: Option<Outlook>) {
        let mut held = self.pending.outlook.lock().unwrap_or_else(PoisonError::into_inner);
        *held = outlook.map(Arc::new);
    }

    /// What a block made now would be given.
    pub(crate) fn outlook(&self) -> NextBlock {
        let outlook = self.pending.outlook.lock().unwrap_or_else(PoisonError::into_inner).clone();
        outlook.map_or_else(NextBlock::default, |outlook| outlook())
    }

    /// The block that would be built now. It is executed once for each head, content of the mempool and
    /// slot; who asks meanwhile waits for that.
    pub fn pending_block(&self) -> Result<Arc<PendingBlock>, ChainError> {
        let mut next = self.outlook();
        let mut last = self.pending.last.lock().unwrap_or_else(PoisonError::into_inner);
        // First the mempool: what comes to it while the block is filled makes this answer an old one.
        let pool = self.pool().revision();
        let Newest { head, waiting } = self.newest();
        next.slot = next.slot.max(head.slot + 1);
        let room = self.room(0)?;
        let key = Key { head: head.header.hash(), waiting, pool, next, room };
        if let Some((known, block)) = last.as_ref()
            && known.is(&key)
        {
            return Ok(block.clone());
        }
        let taken = key.waiting.look(next.gas_limit.unwrap_or(self.network().gas_limit));
        let mut attributes = self.attributes(next.slot, next.gas_limit);
        attributes.origin = head.origin;
        attributes.deposits.clone_from(&taken.deposits);
        let mut executor = self.open_block(head.parent(), &attributes, &taken.overwrites, &head.state)?;
        self.fill(&mut executor, &head.origin, Some(Instant::now() + FILL_TIME), room)
            .map_err(|error| fault(head.header.number + 1, error))?;
        let (header, transactions, receipts, changes) = executor.into_parts();
        let block = Arc::new(PendingBlock { header, transactions, receipts, changes });
        *last = Some((key, block.clone()));
        Ok(block)
    }
}
