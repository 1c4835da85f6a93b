//! Sections in pages, each with a checksum of its own, so that a part is read and checked without the rest.
//!
//! A section of more than one page has the checksums of its pages before its bytes, and the frame keeps
//! the checksum of those; of a smaller section the frame keeps its own.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    codec::Malformed,
    error::Result,
    log::{Frame, LogReader, Pos, damaged},
    store::malformed,
};

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;
/// Bytes of a checksum.
const SUM: usize = 8;

/// Bytes that the checksums of a section's pages take.
pub(crate) fn sums_len(section: u64) -> u64 {
    if section <= PAGE as u64 { 0 } else { section.div_ceil(PAGE as u64) * SUM as u64 }
}

/// Checksums of the pages of a section; none where it has one page alone.
pub(crate) fn sums_of(section: &[u8]) -> Vec<u8> {
    if section.len() <= PAGE {
        return Vec::new();
    }
    section.chunks(PAGE).flat_map(|page| xxh3_64(page).to_le_bytes()).collect()
}

/// What the frame keeps of a section with these page checksums.
pub(crate) fn frame_sum(section: &[u8], sums: &[u8]) -> u64 {
    xxh3_64(if sums.is_empty() { section } else { sums })
}

/// Whether a section is as it was written.
pub(crate) fn is_whole(section: &[u8], sums: &[u8], kept: u64) -> bool {
    frame_sum(section, sums) == kept && sums_of(section) == sums
}

/// A section that is read in parts; each page is read and checked once.
pub(crate) struct Section<'a> {
    log: &'a LogReader,
    pos: Pos,
    index: usize,
    /// Offset of its first byte in the record.
    at: u64,
    len: usize,
    sums: Vec<u8>,
    pages: BTreeMap<usize, Vec<u8>>,
    whole: Option<Vec<u8>>,
}

impl<'a> Section<'a> {
    /// Section `index` of the record at `pos`; its bytes are read as they are asked for.
    pub(crate) fn open(log: &'a LogReader, pos: Pos, frame: &Frame, index: usize) -> Result<Self> {
        let (at, len) = frame.section(index);
        let sums = log.slice(pos, at - sums_len(len), sums_len(len))?;
        if !sums.is_empty() && xxh3_64(&sums) != frame.sum(index) {
            return Err(damaged(pos, index));
        }
        let mut section =
            Self { log, pos, index, at, len: len as usize, whole: None, pages: BTreeMap::new(), sums };
        if section.sums.is_empty() {
            section.whole = Some(log.section_of(pos, frame, index)?);
        }
        Ok(section)
    }

    /// The same, read whole at once.
    pub(crate) fn open_whole(log: &'a LogReader, pos: Pos, frame: &Frame, index: usize) -> Result<Self> {
        let whole = log.section_of(pos, frame, index)?;
        let (at, len) = frame.section(index);
        Ok(Self {
            log,
            pos,
            index,
            at,
            len: len as usize,
            whole: Some(whole),
            pages: BTreeMap::new(),
            sums: Vec::new(),
        })
    }

    /// Bytes of the section.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Some of its bytes.
    pub(crate) fn read(&mut self, range: Range<usize>) -> Result<Cow<'_, [u8]>> {
        if range.start > range.end || range.end > self.len {
            return Err(malformed("log")(Malformed));
        }
        if range.is_empty() {
            return Ok(Cow::Borrowed(&[]));
        }
        if self.whole.is_none() {
            self.load(range.start / PAGE..range.end.div_ceil(PAGE))?;
        }
        if let Some(whole) = &self.whole {
            return Ok(Cow::Borrowed(&whole[range]));
        }
        let first = range.start / PAGE;
        let inside = range.start - first * PAGE..range.end - first * PAGE;
        if inside.end <= PAGE {
            return Ok(Cow::Borrowed(self.pages.get(&first).map_or(&[][..], |page| &page[inside])));
        }
        let run: Vec<u8> =
            self.pages.range(first..range.end.div_ceil(PAGE)).flat_map(|(_, page)| page).copied().collect();
        Ok(Cow::Owned(run[inside].to_vec()))
    }

    /// Has these pages at hand.
    fn load(&mut self, pages: Range<usize>) -> Result<()> {
        let missing = |page: &usize| !self.pages.contains_key(page);
        let (Some(first), Some(last)) = (pages.clone().find(missing), pages.rev().find(missing)) else {
            return Ok(());
        };
        let from = first * PAGE;
        let bytes = self.log.slice(
            self.pos,
            self.at + from as u64,
            (self.len.min((last + 1) * PAGE) - from) as u64,
        )?;
        for (page, bytes) in (first..).zip(bytes.chunks(PAGE)) {
            if self.sums.get(page * SUM..(page + 1) * SUM) != Some(&xxh3_64(bytes).to_le_bytes()[..]) {
                return Err(damaged(self.pos, self.index));
            }
            self.pages.insert(page, bytes.to_vec());
        }
        Ok(())
    }

    /// Number `i` of a section of 32-bit numbers.
    pub(crate) fn number(&mut self, i: usize) -> Result<u32> {
        let bytes = self.read(4 * i..4 * i + 4)?;
        let bytes: [u8; 4] = bytes.as_ref().try_into().map_err(|_| malformed("log")(Malformed))?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Number of items of a section that is a list ([`crate::codec::put_list`]).
    pub(crate) fn items(&mut self) -> Result<usize> {
        self.number(0).map(|n| n as usize)
    }

    /// Bytes of consecutive items of a list, one after the other; `None` where some are past its end.
    pub(crate) fn run(&mut self, items: Range<usize>) -> Result<Option<Cow<'_, [u8]>>> {
        let n = self.items()?;
        if items.end > n || items.start > items.end {
            return Ok(None);
        }
        let data = 4 + 4 * n;
        // The end of an item is the beginning of the next; before the first end stands their number.
        let mut edge = |i: usize| if i == 0 { Ok(0) } else { self.number(i).map(|at| at as usize) };
        let (from, to) = (edge(items.start)?, edge(items.end)?);
        self.read(data + from..data + to).map(Some)
    }
}
