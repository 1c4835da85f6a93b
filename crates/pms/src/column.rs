//! One feature of everybody: as it is, rounded for the scan, and when it was seen.

use bytemuck::Pod;
use memmap2::MmapMut;

use crate::MISSING;

/// People in a block, the unit of a scan.
pub(crate) const BLOCK: usize = 4096;

/// Values by row: those of the files, mapped and private to this process, then those that came since.
///
/// Both parts are whole blocks.
pub(crate) struct Cells<T> {
    base: Option<MmapMut>,
    base_len: usize,
    tail: Vec<T>,
}

impl<T: Pod> Cells<T> {
    pub(crate) fn new(base: Option<MmapMut>) -> Self {
        let base_len = base.as_ref().map_or(0, |map| map.len() / size_of::<T>());
        Self { base, base_len, tail: Vec::new() }
    }

    /// Mapped at a page, so aligned for every type.
    fn base(&self) -> &[T] {
        self.base.as_ref().map_or(&[], |map| bytemuck::cast_slice(map))
    }

    pub(crate) fn get(&self, row: usize) -> T {
        match row.checked_sub(self.base_len) {
            None => self.base()[row],
            Some(row) => self.tail[row],
        }
    }

    /// Where a value is.
    pub(crate) fn place(&self, row: usize) -> *const T {
        match row.checked_sub(self.base_len) {
            None => &self.base()[row],
            Some(row) => &self.tail[row],
        }
    }

    fn set(&mut self, row: usize, value: T) {
        match (row.checked_sub(self.base_len), &mut self.base) {
            (None, Some(map)) => bytemuck::cast_slice_mut(map)[row] = value,
            (None, None) => {}
            (Some(row), _) => self.tail[row] = value,
        }
    }

    pub(crate) fn block(&self, block: usize) -> &[T] {
        let first = block * BLOCK;
        match first.checked_sub(self.base_len) {
            None => &self.base()[first..first + BLOCK],
            Some(first) => &self.tail[first..first + BLOCK],
        }
    }

    fn grow(&mut self, value: T) {
        self.tail.extend(std::iter::repeat_n(value, BLOCK));
    }
}

/// Least and greatest rounded value of a block; where nothing is known, the first is above the second.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Bounds {
    pub(crate) low: f32,
    pub(crate) high: f32,
}

impl Bounds {
    pub(crate) const NONE: Self = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };

    pub(crate) fn of(values: &[f32]) -> Self {
        let mut bounds = Self::NONE;
        values.iter().for_each(|value| bounds.widen(*value));
        bounds
    }

    fn widen(&mut self, value: f32) {
        // Not a number, which stands for what is missing, is neither.
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }
}

/// What stands for [`MISSING`] among rounded values: no number, and with its sign below all of them as bits.
pub(crate) const UNKNOWN: f32 = f32::from_bits(0xffc0_0000);

/// A value as the scan sees it: the nearest of 32 bits, never in another order than the values themselves.
pub(crate) fn rounded(value: i64) -> f32 {
    if value == MISSING { UNKNOWN } else { value as f32 }
}

/// One feature.
pub(crate) struct Column {
    pub(crate) exact: Cells<i64>,
    pub(crate) near: Cells<f32>,
    /// Unix time of the evidence, seconds; 0 where there is none.
    pub(crate) seen: Cells<u32>,
    /// Of each block; never too narrow, and tight again after compaction.
    pub(crate) bounds: Vec<Bounds>,
}

impl Column {
    /// A column that knows nothing, of so many blocks.
    pub(crate) fn empty(blocks: usize) -> Self {
        let mut column = Self {
            exact: Cells::new(None),
            near: Cells::new(None),
            seen: Cells::new(None),
            bounds: Vec::with_capacity(blocks),
        };
        (0..blocks).for_each(|_| column.grow());
        column
    }

    pub(crate) fn set(&mut self, row: usize, value: i64, seen: u32) {
        self.exact.set(row, value);
        self.seen.set(row, seen);
        let near = rounded(value);
        self.near.set(row, near);
        self.bounds[row / BLOCK].widen(near);
    }

    /// Make room for one more block of people.
    pub(crate) fn grow(&mut self) {
        self.exact.grow(MISSING);
        self.near.grow(UNKNOWN);
        self.seen.grow(0);
        self.bounds.push(Bounds::NONE);
    }
}
