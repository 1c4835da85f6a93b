//! The chain a node keeps: store, head and mempool, and the only places where they change.
//!
//! One writer at a time (`build`, `import`, `unwind`) holds the state trie; readers see whole blocks
//! through the store and the published head.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use alloy_consensus::{Header, Sealed};
use alloy_primitives::{Address, B256, Bytes};
use trex_stf::{
    attributes::{BlockAttributes, L1Origin},
    block::{Block, BlockError, BlockExecutor, Exclusion, Overwrite},
    fees::base_fee_wei,
    header::slot,
    params::NetworkParams,
    receipt::Receipt,
    state::State,
    state_trie::StateTrie,
    transaction::Transaction,
};
use trex_store::{BlockData, StateView, Store, StoreError};

use crate::{
    batches::Room,
    derive::AheadBatches,
    dev::{Dev, DevLimits, Patched, Taken, Waiting},
    l1_view::{FromL1, L1View},
    network::Network,
    pending::Pending,
    pool::{self, Pool, PoolConfig, PoolError},
    settle::{L1Heads, load_heads, oldest_needed, origin_of},
    unposted::{Ledger, owed_bytes},
};

pub use crate::error::ChainError;

/// Trie nodes kept in memory between blocks; some 200 bytes each.
pub(crate) const MAX_TRIE_NODES: usize = 1_000_000;

/// State after the newest block, or after an older one, with what waits to be overwritten.
pub type ChainState = Patched<Arc<StateView>>;

/// The newest block.
#[derive(Debug)]
pub struct Head {
    /// State after it.
    pub state: Arc<StateView>,
    /// Its header and hash.
    pub header: Arc<Sealed<Header>>,
    /// Its slot.
    pub slot: u64,
    /// Its L1 origin.
    pub origin: L1Origin,
    /// Number of transactions in it.
    pub transactions: usize,
    /// Number of logs in it.
    pub logs: usize,
}

impl Head {
    /// What the next block names as its parent: header and hash.
    pub(crate) fn parent(&self) -> (&Header, B256) {
        (self.header.inner(), self.header.hash())
    }
}

/// What readers see: the newest block, and what waits for the next. Both change together.
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    pub(crate) head: Arc<Head>,
    pub(crate) waiting: Arc<Waiting>,
}

/// What to build.
#[derive(Clone, Debug, Default)]
pub struct BuildOrder {
    /// Slot of the block, above the head's.
    pub slot: u64,
    /// Gas limit; `None` is the network's.
    pub gas_limit: Option<u64>,
    /// Make a block even if no transaction goes in.
    pub allow_empty: bool,
    /// No transaction is begun after this moment.
    pub deadline: Option<Instant>,
    /// What is known of L1, which gives it its origin and deposits.
    pub l1: L1View,
    /// Bytes of batches that blocks above the safe head may take, this one among them; `None` is any
    /// number. No ordinary transaction goes beyond it (PST-024).
    pub most_unposted_bytes: Option<usize>,
}

/// A node's chain.
pub struct Chain {
    network: Network,
    genesis_hash: B256,
    store: Arc<Store>,
    newest: RwLock<Newest>,
    writer: Mutex<StateTrie>,
    pool: Pool,
    restored: pool::Restored,
    dev: Mutex<Dev>,
    pub(crate) dev_limits: DevLimits,
    pub(crate) pending: Pending,
    heads: Mutex<L1Heads>,
    pub(crate) ahead_batches: AheadBatches,
    pub(crate) ledger: Ledger,
    /// [`BuildOrder::most_unposted_bytes`] of the last order.
    most_unposted: AtomicUsize,
    /// Newest block that was made of what L1 says.
    pub(crate) derived: AtomicU64,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("network", &self.network.name).finish_non_exhaustive()
    }
}

impl Chain {
    /// Opens the chain kept in `directory`, making it from genesis if there is none.
    pub fn open(
        directory: &Path,
        network: Network,
        options: trex_store::Options,
        pool: PoolConfig,
    ) -> Result<Self, ChainError> {
        let store = Arc::new(Store::open(directory.join("store"), options)?);
        let (genesis, diff) = network.genesis().map_err(ChainError::Network)?;
        let genesis_hash = genesis.hash_slow();
        if store.head().is_none() {
            store.init_genesis(&BlockData {
                header: &genesis,
                hash: genesis_hash,
                transactions: &[],
                tx_hashes: &[],
                senders: &[],
                recipients: &[],
                receipts: &[],
                diff: &diff,
                appearances: &[],
                created: &[],
                extra: &[],
                meta: &[],
            })?;
        }
        let head = load_head(&network, &store)?;
        let heads = load_heads(&store)?;
        if network.l1.is_some() {
            store.keep_state_from(oldest_needed(heads));
        }
        let heads = Mutex::new(heads);
        let trie = StateTrie::new(head.header.state_root);
        let waiting = Waiting::load(&store)?;
        let journal = directory.join("mempool.journal");
        let newest = Newest { head: Arc::new(head), waiting: Arc::new(waiting) };
        // By the state that the transactions were accepted in: with what is overwritten but in no block yet.
        let head = pool_head(&network, &newest.head);
        let (pool, restored) = Pool::open(pool, Some(&journal), &newest.state(), head)
            .map_err(|error| ChainError::Pool(error.to_string()))?;
        Ok(Self {
            network,
            genesis_hash,
            store,
            newest: RwLock::new(newest),
            writer: Mutex::new(trie),
            pool,
            restored,
            dev: Mutex::default(),
            dev_limits: DevLimits::default(),
            pending: Pending::default(),
            heads,
            ahead_batches: AheadBatches::default(),
            ledger: Ledger::default(),
            most_unposted: AtomicUsize::new(usize::MAX),
            derived: AtomicU64::default(),
        })
    }

    /// The same with other limits of development controls.
    pub fn with_dev_limits(self, dev_limits: DevLimits) -> Self {
        Self { dev_limits, ..self }
    }

    /// The same where no block that comes can be taken back by L1: state is kept as the store's options
    /// say, whatever is final.
    pub fn with_settled_blocks(self) -> Self {
        self.store.keep_state_from(u64::MAX);
        self
    }

    /// What opening found in the mempool's journal.
    pub fn restored(&self) -> &pool::Restored {
        &self.restored
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Parameters of the network.
    pub fn params(&self) -> &NetworkParams {
        &self.network.params
    }

    /// Hash of block 0.
    pub fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The mempool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The newest block.
    pub fn head(&self) -> Arc<Head> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).head.clone()
    }

    /// The newest block and what waits for the next, as they belong together.
    pub(crate) fn newest(&self) -> Newest {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets readers see something newer. The caller holds the lock of [`Dev`].
    pub(crate) fn publish(&self, change: impl FnOnce(&mut Newest)) {
        change(&mut self.newest.write().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn dev(&self) -> MutexGuard<'_, Dev> {
        self.dev.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Safe and finalized heads as they were last recorded.
    pub(crate) fn heads(&self) -> MutexGuard<'_, L1Heads> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> MutexGuard<'_, StateTrie> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts raw transactions into the mempool: hash or reason for each, in order.
    pub fn submit(&self, raw: Vec<Bytes>) -> Vec<Result<B256, PoolError>> {
        self.pool.submit(raw, || {
            let newest = self.newest();
            (Arc::new(newest.state()), pool_head(&self.network, &newest.head))
        })
    }

    /// Attributes of a block on the head.
    pub fn attributes(&self, slot: u64, gas_limit: Option<u64>) -> BlockAttributes {
        self.network.attributes(slot, gas_limit)
    }

    /// Builds the next block from the mempool, makes it durable and publishes it. `None` when there
    /// is nothing to build of.
    pub fn build(&self, order: &BuildOrder) -> Result<Option<Arc<Head>>, ChainError> {
        let mut trie = self.write();
        let Newest { head, waiting } = self.newest();
        let taken = waiting.look(order.gas_limit.unwrap_or(self.network.gas_limit));
        let FromL1 { origin, deposits } = self.l1_part(&head, order)?;
        let allow_empty = order.allow_empty || !deposits.is_empty();
        if !allow_empty && self.pool.status().pending == 0 && taken.deposits.is_empty() {
            return Ok(None);
        }
        let number = head.header.number + 1;
        let mut attributes = self.attributes(order.slot, order.gas_limit);
        self.most_unposted.store(order.most_unposted_bytes.unwrap_or(usize::MAX), Ordering::Relaxed);
        let room = self.room(deposits.len())?;
        attributes.origin = origin;
        attributes.deposits = deposits;
        attributes.deposits.extend_from_slice(&taken.deposits);
        let mut executor = self.open_block(head.parent(), &attributes, &taken.overwrites, &head.state)?;
        let rejected =
            self.fill(&mut executor, &origin, order.deadline, room).map_err(|error| fault(number, error))?;
        self.pool.discard(&rejected).map_err(|error| ChainError::Pool(error.to_string()))?;
        if executor.included() == 0 && !allow_empty && taken.is_empty() {
            return Ok(None);
        }
        let block = self.finish(executor, &mut trie, head.header.state_root)?;
        self.commit(&block, &taken, &mut trie).map(Some)
    }

    /// Opens a block on `parent`, deposits executed, with what a development network overwrote.
    pub(crate) fn open_block<'a, S: State>(
        &self,
        (parent, parent_hash): (&Header, B256),
        attributes: &BlockAttributes,
        overwrites: &[Overwrite],
        state: &'a S,
    ) -> Result<BlockExecutor<'a, S>, ChainError> {
        let number = parent.number + 1;
        let open = |attributes| {
            BlockExecutor::new(self.params(), parent, parent_hash, attributes, state)
                .map_err(|error| fault(number, error))
        };
        // Deposits see what was overwritten before they were asked for.
        let mut executor = open(&BlockAttributes { deposits: Vec::new(), ..attributes.clone() })?;
        if self.store.options().index_addresses {
            executor.record_participants();
        }
        if !overwrites.is_empty() {
            executor.overwrite(overwrites).map_err(|error| fault(number, error))?;
        }
        for (index, deposit) in attributes.deposits.iter().enumerate() {
            executor.force(index, deposit).map_err(|error| fault(number, error))?;
        }
        Ok(executor)
    }

    /// Room for ordinary transactions in a block with so many deposits, within what the last order to build
    /// one said (PST-024).
    pub(crate) fn room(&self, deposits: usize) -> Result<Room, ChainError> {
        if self.network.l1.is_none() {
            return Ok(Room::ANY);
        }
        let room = Room::of_one_posting(deposits);
        Ok(match self.most_unposted.load(Ordering::Relaxed) {
            usize::MAX => room,
            most => room.within(most, &self.unposted()?),
        })
    }

    /// Takes the mempool's best transactions into a block until it is full, time is up or there are
    /// none left. Returns those that can never be included.
    pub(crate) fn fill<S: State>(
        &self,
        executor: &mut BlockExecutor<'_, S>,
        origin: &L1Origin,
        deadline: Option<Instant>,
        mut room: Room,
    ) -> Result<Vec<B256>, BlockError<S::Error>> {
        /// Gas below which no transaction fits.
        const LEAST_GAS: u64 = 21_000;
        let mut rejected = Vec::new();
        let most = executor.gas_left() / LEAST_GAS;
        executor.reserve(self.pool.status().pending.min(usize::try_from(most).unwrap_or(usize::MAX)));
        let base_fee_wei = executor.header().base_fee_per_gas.unwrap_or_default();
        let mut best = self.pool.best(base_fee_wei);
        while executor.gas_left() >= LEAST_GAS
            && room.is_open()
            && deadline.is_none_or(|deadline| Instant::now() < deadline)
        {
            let Some(tx) = best.next() else { break };
            let (size, tx) = (tx.data_size_millionths(), tx.transaction());
            if !room.take(tx, owed_bytes(self.params(), origin, base_fee_wei, tx, size)) {
                best.skip_sender(&tx.sender());
                continue;
            }
            match executor.transact(tx.clone())? {
                None => {}
                Some(Exclusion::BlockGas { .. }) => best.skip_sender(&tx.sender()),
                Some(Exclusion::Invalid(_) | Exclusion::Deposit) => {
                    rejected.push(tx.hash());
                    best.skip_sender(&tx.sender());
                }
            }
        }
        Ok(rejected)
    }

    /// Ends a block on the parent whose state root is `parent_root`, to which `trie` is put first.
    pub(crate) fn finish<S: State>(
        &self,
        executor: BlockExecutor<'_, S>,
        trie: &mut StateTrie,
        parent_root: B256,
    ) -> Result<Block, ChainError> {
        let number = executor.header().number;
        if trie.root() != parent_root {
            *trie = StateTrie::new(parent_root);
        }
        executor.finish(trie).map_err(|error| {
            // Half applied: start again from the parent's root next time.
            *trie = StateTrie::new(parent_root);
            fault(number, error)
        })
    }

    /// Stores a block, publishes it as the head and tells the mempool. `taken` is what it took of what
    /// was waiting: it waits no more from the moment on when the block is there.
    pub(crate) fn commit(
        &self,
        block: &Block,
        taken: &Taken,
        trie: &mut StateTrie,
    ) -> Result<Arc<Head>, ChainError> {
        let head = self.commit_all(std::slice::from_ref(block), taken).inspect_err(|_| {
            // The trie is ahead of the store.
            *trie = StateTrie::new(self.head().header.state_root);
        })?;
        trie.prune(MAX_TRIE_NODES);
        Ok(head)
    }

    /// Stores blocks with one durable write, publishes the last as the head and tells the mempool.
    /// `taken` is what a single block took of what was waiting; of several none takes anything.
    pub(crate) fn commit_all(&self, blocks: &[Block], taken: &Taken) -> Result<Arc<Head>, ChainError> {
        let _dev = self.dev();
        let Some(last) = blocks.last() else { return Ok(self.head()) };
        let waiting = self.newest().waiting;
        let extra = taken.block_extra();
        let (waiting, meta) = match taken.is_empty() {
            true => (waiting, Vec::new()),
            false => {
                let (rest, meta) = waiting.without(taken);
                (Arc::new(rest), meta)
            }
        };
        let columns: Vec<Columns> = blocks.iter().map(|block| Columns::new(&block.transactions)).collect();
        let data: Vec<BlockData<'_>> = blocks
            .iter()
            .zip(&columns)
            .map(|(block, columns)| BlockData {
                header: &block.header,
                hash: block.hash,
                transactions: &columns.transactions,
                tx_hashes: &columns.hashes,
                senders: &columns.senders,
                recipients: &columns.recipients,
                receipts: &block.receipts,
                diff: &block.diff,
                appearances: &block.participants,
                created: &[],
                extra: &extra,
                meta: &meta,
            })
            .collect();
        self.store.commit_many(&data)?;
        let state = Arc::new(self.store.latest()?);
        let head = Arc::new(Head {
            origin: origin_of(&self.network, &last.header, &state)?,
            state,
            slot: slot(&last.header).unwrap_or_default(),
            header: Arc::new(Sealed::new_unchecked(last.header.clone(), last.hash)),
            transactions: last.transactions.len(),
            logs: last.receipts.iter().map(|receipt| receipt.logs.len()).sum(),
        });
        let is_patched = !waiting.overlay().is_empty();
        self.publish(|newest| *newest = Newest { head: head.clone(), waiting });
        let pool_head = pool_head(&self.network, &head);
        blocks.iter().for_each(|block| self.pool.advance(pool_head, &block.diff));
        if is_patched {
            // Blocks say nothing of what was overwritten since they were begun.
            self.reread_pool(Vec::new())?;
        }
        Ok(head)
    }

    /// Judges the mempool anew by the newest state, which is not the one it knows; `orphaned` come back.
    pub(crate) fn reread_pool(&self, orphaned: Vec<Transaction>) -> Result<(), ChainError> {
        let newest = self.newest();
        self.pool
            .reset(pool_head(&self.network, &newest.head), &newest.state(), orphaned)
            .map_err(|error| ChainError::Pool(error.to_string()))
    }
}

/// A block's transactions as the store takes them: lists side by side.
struct Columns {
    transactions: Vec<Bytes>,
    hashes: Vec<B256>,
    senders: Vec<Address>,
    recipients: Vec<Option<Address>>,
}

impl Columns {
    fn new(transactions: &[Transaction]) -> Self {
        Self {
            transactions: transactions.iter().map(|tx| tx.encoded().clone()).collect(),
            hashes: transactions.iter().map(Transaction::hash).collect(),
            senders: transactions.iter().map(Transaction::sender).collect(),
            recipients: transactions
                .iter()
                .map(|tx| alloy_consensus::Transaction::to(tx.envelope()))
                .collect(),
        }
    }
}

pub(crate) fn fault<E: std::fmt::Display>(number: u64, error: BlockError<E>) -> ChainError {
    ChainError::Block { number, reason: error.to_string() }
}

pub(crate) fn load_head(network: &Network, store: &Arc<Store>) -> Result<Head, ChainError> {
    let missing = |what: &str| {
        ChainError::Store(StoreError::Corrupt { place: "head".into(), detail: format!("{what} is missing") })
    };
    let at = store.head().ok_or_else(|| missing("the head"))?;
    let header = store.header_by_number(at.number)?.ok_or_else(|| missing("its header"))?;
    let receipts: Vec<Receipt> = store.receipts(at.number)?.ok_or_else(|| missing("its receipts"))?;
    let state = Arc::new(store.latest()?);
    Ok(Head {
        origin: origin_of(network, &header, &state)?,
        state,
        slot: slot(&header).unwrap_or_default(),
        header: Arc::new(Sealed::new_unchecked(header, at.hash)),
        transactions: receipts.len(),
        logs: receipts.iter().map(|receipt| receipt.logs.len()).sum(),
    })
}

/// What the mempool has to know of the head.
fn pool_head(network: &Network, head: &Head) -> pool::Head {
    let header = &head.header;
    pool::Head {
        number: header.number,
        hash: header.hash(),
        timestamp: header.timestamp,
        base_fee_wei: base_fee_wei(
            &network.params,
            header.base_fee_per_gas.unwrap_or_default(),
            header.gas_used,
            header.gas_limit,
            1,
        ),
        gas_limit: network.gas_limit,
        origin: head.origin,
    }
}
