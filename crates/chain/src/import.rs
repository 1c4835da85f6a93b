//! `trex import`: blocks that others have built, executed and stored.
//!
//! Four acts run side by side: windows of the file are read and their senders recovered, blocks are
//! executed on what is not stored yet ([`Ahead`]), and finished ones are stored, as many at a time as
//! came while the ones before were written.

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel},
    },
    time::{Duration, Instant},
};

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use rayon::prelude::*;
use trex_stf::{
    attributes::{BlockAttributes, L1Origin},
    block::Block,
    deposits::{announced_origin, stored_origin},
    header::slot,
    state::State,
    state_trie::StateTrie,
    transaction::{DecodeError, Transaction},
};
use trex_store::{StateView, Store};

use crate::{
    ahead::{Ahead, Layer},
    block_rlp::RawBlock,
    chain::{Chain, ChainError, MAX_TRIE_NODES, fault},
    dev::Taken,
    transfer::{BlockStream, Progress, TELL_EVERY, io},
};

/// Bytes of the file that are decoded together.
pub(crate) const WINDOW_BYTES: usize = 512 << 10;
/// What is wrong with a block in whose place the chain has another.
const DIFFERS: &str = "differs from the block of that number in this chain";
/// Decoded windows that wait for execution.
const WINDOWS_AHEAD: usize = 4;

/// How many executed blocks are stored with one durable write.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Changed trie nodes in one write at most, but for the last block's: they are most of its bytes.
    pub nodes: usize,
    /// Fewer changed nodes than this wait for others: a sync costs more than a small block.
    pub least_nodes: usize,
    /// How long they wait.
    pub wait: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { nodes: 60_000, least_nodes: 8_000, wait: Duration::from_millis(250) }
    }
}

/// Blocks decoded together; none at the end of the file.
struct Window {
    /// Each with where the file goes on behind it.
    blocks: Vec<(DecodedBlock, u64)>,
    /// Where the file goes on behind all that was read, blocks that were passed over included.
    end: u64,
}

/// The block that the next one must follow.
pub(crate) struct Tip {
    pub(crate) header: Arc<Header>,
    pub(crate) hash: B256,
}

impl Chain {
    /// Executes and stores the blocks of a file. Those the chain has are skipped, so that a second
    /// call goes on. `progress` gets bytes whose blocks are in the store; false stops after a whole
    /// block. After an error the blocks before the bad one are in the store; a file that breaks off inside
    /// a block is one.
    pub fn import(&self, path: &Path, progress: &mut dyn FnMut(Progress) -> bool) -> Result<(), ChainError> {
        self.import_at(Pace::default(), path, progress)
    }

    /// [`Chain::import`] with a say in how many blocks are stored together.
    pub fn import_at(
        &self,
        pace: Pace,
        path: &Path,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<(), ChainError> {
        let file = File::open(path).map_err(|error| io("open", path, &error))?;
        let of = file.metadata().map_err(|error| io("read", path, &error))?.len();
        let stream = BlockStream::new(file, path);
        let mut trie = self.write();
        let from = self.head().header.number;
        let read = |recovery: &rayon::ThreadPool, send: &SyncSender<_>| {
            read_windows(stream, from, self.store(), recovery, send);
        };
        self.in_line(pace, &mut trie, read, |line, windows, trie| line.import(&windows, trie, of, progress))
    }

    /// Runs three acts side by side: `read` brings work and recovers senders in threads of its own, `make`
    /// executes it in line, and what it made is stored behind it. What it leaves executed is stored also
    /// before an error.
    pub(crate) fn in_line<W: Send, T>(
        &self,
        pace: Pace,
        trie: &mut StateTrie,
        read: impl FnOnce(&rayon::ThreadPool, &SyncSender<W>) + Send,
        make: impl FnOnce(&mut Line<'_>, Receiver<W>, &mut StateTrie) -> Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        // Threads of their own: in the shared ones the roots would wait behind every recovery.
        let recovery = rayon::ThreadPoolBuilder::new()
            .thread_name(|index| format!("trex-recover-{index}"))
            .build()
            .map_err(|error| ChainError::File(format!("cannot start threads: {error}")))?;
        let head = self.head();
        let result = std::thread::scope(|scope| {
            let (send, work) = sync_channel(WINDOWS_AHEAD);
            let (give, layers) = channel();
            let (tell, stored) = channel();
            scope.spawn(move || read(&recovery, &send));
            scope.spawn(move || self.store_layers(&layers, &tell));
            let mut line = Line {
                chain: self,
                pace,
                tip: Tip { header: Arc::new(head.header.inner().clone()), hash: head.header.hash() },
                ahead: Ahead::new(head.state.clone()),
                give,
                stored,
                done: 0,
                end: 0,
                since: Instant::now(),
            };
            make(&mut line, work, trie)
        });
        let stored_root = self.head().header.state_root;
        if trie.root() != stored_root {
            *trie = StateTrie::new(stored_root);
        }
        result
    }

    /// Stores layers as they come and answers each, until one fails.
    fn store_layers(&self, layers: &Receiver<(Arc<Layer>, u64)>, tell: &Sender<Stored>) {
        for (layer, end) in layers {
            let stored = self.commit_all(layer.blocks(), &Taken::default());
            let failed = stored.is_err();
            if tell.send(stored.map(|head| (head.state.clone(), end))).is_err() || failed {
                return;
            }
        }
    }

    /// Executes blocks that follow the head and stores them together; those the chain has are
    /// skipped.
    pub fn import_blocks(&self, blocks: Vec<DecodedBlock>) -> Result<(), ChainError> {
        let mut trie = self.write();
        let head = self.head();
        let mut tip = Tip { header: Arc::new(head.header.inner().clone()), hash: head.header.hash() };
        let mut ahead = Ahead::new(head.state.clone());
        let executed =
            blocks.into_iter().try_for_each(|block| self.execute(&mut tip, &mut ahead, &mut trie, block));
        let stored = self.commit_all(ahead.top().blocks(), &Taken::default());
        let stored_root = self.head().header.state_root;
        if trie.root() != stored_root {
            *trie = StateTrie::new(stored_root);
        }
        executed.and(stored).map(|_| ())
    }

    /// Executes a block over what came before it, unless it is there already.
    fn execute(
        &self,
        tip: &mut Tip,
        ahead: &mut Ahead,
        trie: &mut StateTrie,
        block: DecodedBlock,
    ) -> Result<(), ChainError> {
        let number = block.header.number;
        if number <= tip.header.number {
            if ahead.block_hash(number)? == block.header.hash_slow() {
                return Ok(());
            }
            return Err(bad(number, DIFFERS));
        }
        if number != tip.header.number + 1 || block.header.parent_hash != tip.hash {
            return Err(bad(number, &format!("does not follow the head, block {}", tip.header.number)));
        }
        let origin = stored_origin(&*ahead).map_err(|error| bad(number, &error.to_string()))?;
        let (given, ordinary) = block.into_parts(origin)?;
        let mut executor = self.open_block((&tip.header, tip.hash), &given.attributes, &[], &*ahead)?;
        for (index, tx) in ordinary.into_iter().enumerate() {
            if let Some(reason) = executor.transact(tx).map_err(|error| fault(number, error))? {
                return Err(bad(number, &format!("transaction {index} breaks a rule: {reason}")));
            }
        }
        let made = self.finish(executor, trie, tip.header.state_root)?;
        if made.hash != given.hash {
            *trie = StateTrie::new(tip.header.state_root);
            return Err(bad(number, &difference(&made, &given.header)));
        }
        trie.prune(MAX_TRIE_NODES);
        *tip = Tip { header: Arc::new(made.header.clone()), hash: made.hash };
        ahead.push(made);
        Ok(())
    }
}

/// The newest stored state and where the file goes on behind its block.
type Stored = Result<(Arc<StateView>, u64), ChainError>;

/// The thread that executes: it stands between the work that comes and the layers that go.
pub(crate) struct Line<'a> {
    chain: &'a Chain,
    pace: Pace,
    /// The block that the next one follows.
    pub(crate) tip: Tip,
    /// The state after it.
    pub(crate) ahead: Ahead,
    give: Sender<(Arc<Layer>, u64)>,
    stored: Receiver<Stored>,
    /// Bytes of the file whose blocks are in the store.
    done: u64,
    /// Bytes of the file whose blocks are executed.
    end: u64,
    /// When the top layer was begun.
    since: Instant,
}

impl Line<'_> {
    fn import(
        &mut self,
        windows: &Receiver<Result<Window, ChainError>>,
        trie: &mut StateTrie,
        of: u64,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<(), ChainError> {
        let mut told = Instant::now();
        let mut executed = Ok(());
        'windows: for window in windows {
            let window = match window {
                Ok(window) => window,
                Err(error) => {
                    executed = Err(error);
                    break;
                }
            };
            for (block, end) in window.blocks {
                executed = self.chain.execute(&mut self.tip, &mut self.ahead, trie, block);
                if executed.is_err() {
                    break 'windows;
                }
                self.end = end;
                self.hand_over()?;
                if told.elapsed() >= TELL_EVERY {
                    told = Instant::now();
                    if !progress(Progress { done: self.done, of }) {
                        break 'windows;
                    }
                }
            }
            self.end = window.end;
        }
        // What is executed is whole: it is stored also before an error.
        self.drain()?;
        if executed.is_ok() {
            self.done = self.end;
        }
        progress(Progress { done: self.done, of });
        executed
    }

    /// Puts a block that was made over the rest, and what is below on its way into the store.
    pub(crate) fn push(&mut self, made: Block) -> Result<(), ChainError> {
        self.tip = Tip { header: Arc::new(made.header.clone()), hash: made.hash };
        self.ahead.push(made);
        self.hand_over()
    }

    /// Waits until all that is executed is stored.
    pub(crate) fn drain(&mut self) -> Result<(), ChainError> {
        if !self.ahead.top().blocks().is_empty() {
            self.close()?;
        }
        while self.ahead.leaving() > 0 {
            self.await_stored()?;
        }
        Ok(())
    }

    /// Gives the top layer to be stored when there is enough of it and the one before has landed.
    fn hand_over(&mut self) -> Result<(), ChainError> {
        match self.stored.try_recv() {
            Ok(stored) => self.landed(stored)?,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Err(gone()),
        }
        let nodes = self.ahead.top().nodes();
        let free = self.ahead.leaving() == 0;
        if nodes >= self.pace.nodes {
            while self.ahead.leaving() > 0 {
                self.await_stored()?;
            }
            self.close()?;
        } else if free && (nodes >= self.pace.least_nodes || self.since.elapsed() >= self.pace.wait) {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ChainError> {
        self.since = Instant::now();
        self.give.send((self.ahead.close(), self.end)).map_err(|_| gone())
    }

    fn await_stored(&mut self) -> Result<(), ChainError> {
        let stored = self.stored.recv().map_err(|_| gone())?;
        self.landed(stored)
    }

    fn landed(&mut self, stored: Stored) -> Result<(), ChainError> {
        let (state, end) = stored?;
        self.ahead.landed(state);
        self.done = end;
        Ok(())
    }
}

/// The storing thread ended without an answer: it can only have panicked, which its scope raises.
fn gone() -> ChainError {
    ChainError::File("the thread that stores blocks has ended".into())
}

fn bad(number: u64, reason: &str) -> ChainError {
    ChainError::Block { number, reason: reason.into() }
}

/// The first field in which the block we computed differs from the one we were given.
fn difference(made: &Block, given: &Header) -> String {
    let ours = &made.header;
    let fields: [(&str, String, String); 8] = [
        ("gas used", ours.gas_used.to_string(), given.gas_used.to_string()),
        ("receipts root", ours.receipts_root.to_string(), given.receipts_root.to_string()),
        ("transactions root", ours.transactions_root.to_string(), given.transactions_root.to_string()),
        ("state root", ours.state_root.to_string(), given.state_root.to_string()),
        ("base fee", format!("{:?}", ours.base_fee_per_gas), format!("{:?}", given.base_fee_per_gas)),
        ("timestamp", ours.timestamp.to_string(), given.timestamp.to_string()),
        ("withdrawals root", format!("{:?}", ours.withdrawals_root), format!("{:?}", given.withdrawals_root)),
        ("header", made.hash.to_string(), given.hash_slow().to_string()),
    ];
    fields
        .into_iter()
        .find(|(_, ours, given)| ours != given)
        .map(|(name, ours, given)| format!("{name} is {given}, computed {ours}"))
        .unwrap_or_default()
}

/// A block with its transactions decoded and their senders recovered.
#[derive(Clone, Debug)]
pub struct DecodedBlock {
    /// The header.
    pub header: Header,
    /// All transactions, deposits first.
    pub transactions: Vec<Transaction>,
}

struct Parts {
    header: Header,
    hash: B256,
    attributes: BlockAttributes,
}

/// The attributes a block was built from, given the origin in its parent's state, and how many of
/// its transactions those attributes stand for.
pub fn attributes_of(
    header: &Header,
    transactions: &[Transaction],
    parent_origin: L1Origin,
) -> Option<(BlockAttributes, usize)> {
    let mut origin = parent_origin;
    let mut leading = 0;
    if let Some(announced) = transactions.first().and_then(announced_origin) {
        origin = announced;
        leading = 1;
    }
    origin.prev_randao = header.mix_hash;
    origin.parent_beacon_block_root = header.parent_beacon_block_root.unwrap_or_default();
    let deposits: Vec<_> = transactions[leading..]
        .iter()
        .take_while(|tx| tx.is_deposit())
        .map(|tx| tx.encoded().clone())
        .collect();
    let count = leading + deposits.len();
    Some((BlockAttributes { slot: slot(header)?, origin, gas_limit: header.gas_limit, deposits }, count))
}

impl DecodedBlock {
    fn into_parts(self, parent_origin: L1Origin) -> Result<(Parts, Vec<Transaction>), ChainError> {
        let Self { header, mut transactions } = self;
        let (attributes, leading) = attributes_of(&header, &transactions, parent_origin)
            .ok_or_else(|| bad(header.number, "extraData names no slot"))?;
        let ordinary = transactions.split_off(leading);
        Ok((Parts { hash: header.hash_slow(), header, attributes }, ordinary))
    }
}

/// Reads, decodes and recovers senders until the file ends, an error, or nobody listens.
fn read_windows(
    mut stream: BlockStream<'_>,
    from: u64,
    known: &Store,
    recovery: &rayon::ThreadPool,
    send: &SyncSender<Result<Window, ChainError>>,
) {
    loop {
        let mut window = read_window(&mut stream, from, known, recovery);
        let last = !matches!(&window, Ok(window) if !window.blocks.is_empty());
        if last && window.is_ok() && stream.trailing() > 0 {
            window = Err(stream.breaks_off());
        }
        if send.send(window).is_err() || last {
            return;
        }
    }
}

/// The next blocks from number `from` on, decoded; none at the end of the file. The block `from`
/// itself is the chain's head: it shows that the file continues this chain. Those before it, and the
/// genesis block, must be `known`.
fn read_window(
    stream: &mut BlockStream<'_>,
    from: u64,
    known: &Store,
    recovery: &rayon::ThreadPool,
) -> Result<Window, ChainError> {
    let (mut raw, mut bytes) = (Vec::new(), 0);
    while bytes < WINDOW_BYTES {
        let Some(block) = stream.next()? else { break };
        let number = block.header.number;
        if number == 0 || number < from {
            if known.hash_by_number(number)? != Some(block.header.hash_slow()) {
                return Err(bad(number, DIFFERS));
            }
            continue;
        }
        bytes += block.transactions.iter().map(|tx| tx.len()).sum::<usize>() + 600;
        raw.push((block, stream.position()));
    }
    let decoded = |(block, end)| decode(block).map(|block| (block, end));
    let blocks = recovery.install(|| raw.into_par_iter().map(decoded).collect::<Result<_, _>>())?;
    Ok(Window { blocks, end: stream.position() })
}

/// Decodes transactions on all cores.
pub(crate) fn decode_all(encoded: &[Bytes]) -> Vec<Result<Transaction, DecodeError>> {
    encoded.par_chunks(Transaction::TOGETHER).flat_map_iter(Transaction::decode_many).collect()
}

fn decode(RawBlock { header, transactions }: RawBlock) -> Result<DecodedBlock, ChainError> {
    let number = header.number;
    let transactions = (decode_all(&transactions).into_iter().enumerate())
        .map(|(index, tx)| tx.map_err(|error| bad(number, &format!("transaction {index}: {error}"))))
        .collect::<Result<_, _>>()?;
    Ok(DecodedBlock { header, transactions })
}
