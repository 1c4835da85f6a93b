//! `trex export` and `trex import`: blocks as a stream of RLP.

use std::{
    fs::{File, OpenOptions},
    io::{BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use rayon::prelude::*;
use trex_stf::{
    attributes::{BlockAttributes, L1Origin},
    block::{Block, BlockExecutor},
    deposits::{announced_origin, stored_origin},
    header::slot,
    state_trie::StateTrie,
    transaction::Transaction,
};

use crate::{
    block_rlp::{self, RawBlock},
    chain::{Chain, ChainError, fault},
};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Bytes of the file that are decoded ahead of execution.
const WINDOW_BYTES: usize = 4 << 20;

/// Where a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Blocks, or bytes for an import, done.
    pub done: u64,
    /// Of how many.
    pub of: u64,
}

fn io(what: &str, path: &Path, error: &std::io::Error) -> ChainError {
    ChainError::File(format!("cannot {what} {}: {error}", path.display()))
}

impl Chain {
    /// Writes blocks `first..=last` to a file. Whole blocks that the file already has are kept and
    /// what an interruption left half written is cut off, so that a second call goes on. `progress`
    /// answers false to stop. Returns how many blocks the file holds.
    pub fn export(
        &self,
        path: &Path,
        first: u64,
        last: u64,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<u64, ChainError> {
        let head = self.head().header.number;
        if first > last || last > head {
            return Err(ChainError::File(format!(
                "blocks {first} to {last} cannot be exported: the chain has 0 to {head}"
            )));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| io("open", path, &error))?;
        let (held, end) = self.exported(&mut file, path, first)?;
        file.set_len(end).map_err(|error| io("truncate", path, &error))?;
        file.seek(SeekFrom::Start(end)).map_err(|error| io("write", path, &error))?;
        let (mut done, of) = (held, last - first + 1);
        let mut told = Instant::now();
        let mut buffer = Vec::new();
        while done < of {
            let number = first + done;
            let raw = self.raw_block(number)?;
            block_rlp::encode(&raw.header, &raw.transactions, &mut buffer);
            done += 1;
            if buffer.len() >= 1 << 20 || done == of {
                file.write_all(&buffer).map_err(|error| io("write", path, &error))?;
                buffer.clear();
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                if !progress(Progress { done, of }) {
                    break;
                }
            }
        }
        file.write_all(&buffer).map_err(|error| io("write", path, &error))?;
        file.sync_all().map_err(|error| io("write", path, &error))?;
        progress(Progress { done, of });
        Ok(done)
    }

    /// How many whole blocks of ours from `first` on the file holds, and where they end.
    fn exported(&self, file: &mut File, path: &Path, first: u64) -> Result<(u64, u64), ChainError> {
        let mut stream = BlockStream::new(file.try_clone().map_err(|error| io("read", path, &error))?, path);
        let (mut held, mut end) = (0, 0);
        while let Some(block) = stream.next()? {
            let number = first + held;
            let ours = self.store().hash_by_number(number)?;
            if ours != Some(block.header.hash_slow()) {
                return Err(ChainError::File(format!(
                    "{} holds other blocks: its block {} is not block {number} of this chain",
                    path.display(),
                    block.header.number
                )));
            }
            held += 1;
            end = stream.position();
        }
        Ok((held, end))
    }

    /// A block as it is exported.
    pub fn raw_block(&self, number: u64) -> Result<RawBlock, ChainError> {
        let missing = || ChainError::Block { number, reason: "not in the store".into() };
        let header = self.store().header_by_number(number)?.ok_or_else(missing)?;
        let body = self.store().body(number)?.ok_or_else(missing)?;
        Ok(RawBlock { header, transactions: body.transactions })
    }

    /// Executes and stores the blocks of a file. Those the chain has are skipped, so that a second
    /// call goes on. `progress` gets bytes; false stops after a whole block.
    pub fn import(&self, path: &Path, progress: &mut dyn FnMut(Progress) -> bool) -> Result<(), ChainError> {
        let file = File::open(path).map_err(|error| io("open", path, &error))?;
        let of = file.metadata().map_err(|error| io("read", path, &error))?.len();
        let mut stream = BlockStream::new(file, path);
        // One thread reads and recovers senders of the window ahead while this one executes.
        std::thread::scope(|scope| {
            let (send, receive) = std::sync::mpsc::sync_channel::<Result<Window, ChainError>>(1);
            let head = self.head().header.number;
            scope.spawn(move || {
                loop {
                    let window = stream.window(head);
                    let last = !matches!(&window, Ok(window) if !window.blocks.is_empty() || window.skipped);
                    if send.send(window).is_err() || last {
                        return;
                    }
                }
            });
            let mut told = Instant::now();
            for window in receive {
                let window = window?;
                self.import_blocks(window.blocks)?;
                if told.elapsed() >= TELL_EVERY || window.end == of {
                    told = Instant::now();
                    if !progress(Progress { done: window.end, of }) {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }

    /// Executes blocks that follow the head and stores them together.
    pub fn import_blocks(&self, blocks: Vec<DecodedBlock>) -> Result<(), ChainError> {
        for block in blocks {
            let number = block.header.number;
            if let Some(ours) = self.store().hash_by_number(number)? {
                if ours != block.header.hash_slow() {
                    return Err(bad(number, "differs from the block of that number in this chain"));
                }
                continue;
            }
            self.import_block(block)?;
        }
        Ok(())
    }

    fn import_block(&self, block: DecodedBlock) -> Result<(), ChainError> {
        let mut trie = self.write();
        let head = self.head();
        let number = block.header.number;
        if number != head.header.number + 1 || block.header.parent_hash != head.header.hash() {
            return Err(bad(number, &format!("does not follow the head, block {}", head.header.number)));
        }
        let state = head.state.clone();
        let stored = stored_origin(&state).map_err(|error| bad(number, &error.to_string()))?;
        let (attributes, ordinary) = block.into_parts(stored)?;
        let mut executor = BlockExecutor::new(
            self.params(),
            &head.header,
            head.header.hash(),
            &attributes.attributes,
            &state,
        )
        .map_err(|error| fault(number, error))?;
        for (index, tx) in ordinary.into_iter().enumerate() {
            if let Some(reason) = executor.transact(tx).map_err(|error| fault(number, error))? {
                return Err(bad(number, &format!("transaction {index} breaks a rule: {reason}")));
            }
        }
        if trie.root() != head.header.state_root {
            *trie = StateTrie::new(head.header.state_root);
        }
        let made = executor.finish(&mut trie).map_err(|error| {
            *trie = StateTrie::new(head.header.state_root);
            fault(number, error)
        })?;
        if made.hash != attributes.hash {
            *trie = StateTrie::new(head.header.state_root);
            return Err(bad(number, &difference(&made, &attributes.header)));
        }
        self.commit(&made, &[], &[], &mut trie)?;
        Ok(())
    }
}

fn bad(number: u64, reason: &str) -> ChainError {
    ChainError::Block { number, reason: reason.into() }
}

/// The first field in which the block we computed differs from the one we were given.
fn difference(made: &Block, given: &alloy_consensus::Header) -> String {
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
    pub header: alloy_consensus::Header,
    /// All transactions, deposits first.
    pub transactions: Vec<Transaction>,
}

struct Parts {
    header: alloy_consensus::Header,
    hash: B256,
    attributes: BlockAttributes,
}

/// The attributes a block was built from, given the origin in its parent's state, and how many of
/// its transactions those attributes stand for.
pub fn attributes_of(
    header: &alloy_consensus::Header,
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

/// Blocks decoded together.
struct Window {
    blocks: Vec<DecodedBlock>,
    /// Whether blocks at or below the head were read over.
    skipped: bool,
    /// Position in the file behind them.
    end: u64,
}

/// Reads blocks off a file.
struct BlockStream<'a> {
    file: BufReader<File>,
    path: &'a Path,
    buffer: Vec<u8>,
    start: usize,
    position: u64,
}

impl<'a> BlockStream<'a> {
    fn new(file: File, path: &'a Path) -> Self {
        Self { file: BufReader::new(file), path, buffer: Vec::new(), start: 0, position: 0 }
    }

    /// Position behind the last block that was read.
    fn position(&self) -> u64 {
        self.position
    }

    /// The next block; `None` at the end of the file or where it breaks off.
    fn next(&mut self) -> Result<Option<RawBlock>, ChainError> {
        loop {
            let mut bytes = &self.buffer[self.start..];
            let before = bytes.len();
            let block = block_rlp::decode(&mut bytes).map_err(|error| {
                ChainError::File(format!(
                    "{}: no block at byte {}: {error}",
                    self.path.display(),
                    self.position
                ))
            })?;
            if let Some(block) = block {
                let taken = before - bytes.len();
                self.start += taken;
                self.position += taken as u64;
                return Ok(Some(block));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            let read = Read::by_ref(&mut self.file)
                .take(1 << 20)
                .read_to_end(&mut self.buffer)
                .map_err(|error| io("read", self.path, &error))?;
            if read == 0 {
                return Ok(None);
            }
        }
    }

    /// The next blocks above `head`, decoded; few enough to hold.
    fn window(&mut self, head: u64) -> Result<Window, ChainError> {
        let (mut raw, mut bytes, mut skipped) = (Vec::new(), 0, false);
        while bytes < WINDOW_BYTES {
            let Some(block) = self.next()? else { break };
            if block.header.number == 0 || block.header.number < head {
                skipped = true;
                continue;
            }
            bytes += block.transactions.iter().map(|tx| tx.len()).sum::<usize>() + 600;
            raw.push(block);
        }
        let blocks = raw
            .into_par_iter()
            .map(|RawBlock { header, transactions }| {
                let number = header.number;
                let transactions = transactions
                    .into_par_iter()
                    .enumerate()
                    .map(|(index, tx)| {
                        Transaction::decode(tx)
                            .map_err(|error| bad(number, &format!("transaction {index}: {error}")))
                    })
                    .collect::<Result<_, _>>()?;
                Ok(DecodedBlock { header, transactions })
            })
            .collect::<Result<_, ChainError>>()?;
        Ok(Window { blocks, skipped, end: self.position })
    }
}
