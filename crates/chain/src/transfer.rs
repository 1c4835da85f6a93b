//! `trex export`, and the stream of RLP blocks that it writes and `trex import` reads.

use std::{
    fs::{File, OpenOptions},
    io::{BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    block_rlp::{self, RawBlock},
    chain::{Chain, ChainError},
};

/// How often progress is told.
pub(crate) const TELL_EVERY: Duration = Duration::from_millis(100);

/// How a file begins that gzip has made.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Where a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Blocks, or bytes for an import, done.
    pub done: u64,
    /// Of how many.
    pub of: u64,
}

pub(crate) fn io(what: &str, path: &Path, error: &std::io::Error) -> ChainError {
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
        let length = file.metadata().map_err(|error| io("read", path, &error))?.len();
        if held == 0 && length > 0 && !self.begins(&mut file, path, first)? {
            return Err(ChainError::BlockFile(format!(
                "{} is not empty and holds no whole block of this chain: it is left as it is",
                path.display()
            )));
        }
        if held > last - first + 1 {
            return Err(ChainError::BlockFile(format!(
                "{} holds blocks up to {}, more than up to {last}: it is left as it is",
                path.display(),
                first + held - 1
            )));
        }
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
                return Err(ChainError::BlockFile(format!(
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

    /// Whether a file that holds no whole block is the beginning of block `number`.
    fn begins(&self, file: &mut File, path: &Path, number: u64) -> Result<bool, ChainError> {
        let raw = self.raw_block(number)?;
        let mut whole = Vec::new();
        block_rlp::encode(&raw.header, &raw.transactions, &mut whole);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.take(whole.len() as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| io("read", path, &error))?;
        Ok(whole.starts_with(&bytes))
    }

    /// A block as it is exported.
    pub fn raw_block(&self, number: u64) -> Result<RawBlock, ChainError> {
        let missing = || ChainError::Block { number, reason: "not in the store".into() };
        let header = self.store().header_by_number(number)?.ok_or_else(missing)?;
        let body = self.store().body(number)?.ok_or_else(missing)?;
        Ok(RawBlock { header, transactions: body.transactions })
    }
}

/// Reads blocks off a file.
pub(crate) struct BlockStream<'a> {
    file: BufReader<File>,
    path: &'a Path,
    buffer: Vec<u8>,
    start: usize,
    position: u64,
}

impl<'a> BlockStream<'a> {
    pub(crate) fn new(file: File, path: &'a Path) -> Self {
        Self { file: BufReader::new(file), path, buffer: Vec::new(), start: 0, position: 0 }
    }

    /// Position behind the last block that was read.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that were read behind the last whole block; at the end of the file, those that are no block.
    pub(crate) fn trailing(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// That the file ends inside a block.
    pub(crate) fn breaks_off(&self) -> ChainError {
        let (path, end, more) = (self.path.display(), self.position, self.trailing());
        ChainError::BlockFile(format!(
            "{path} breaks off inside a block: the last whole one ends at byte {end}, {more} follow"
        ))
    }

    /// The next block; `None` at the end of the file or where it breaks off.
    pub(crate) fn next(&mut self) -> Result<Option<RawBlock>, ChainError> {
        loop {
            let mut bytes = &self.buffer[self.start..];
            let before = bytes.len();
            let is_gzip = self.position == 0 && bytes.starts_with(&GZIP);
            let block = block_rlp::decode(&mut bytes).map_err(|error| {
                let hint = if is_gzip { " (it is compressed by gzip: unpack it first)" } else { "" };
                let (path, at) = (self.path.display(), self.position);
                ChainError::BlockFile(format!("{path}: no block at byte {at}: {error}{hint}"))
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
}
