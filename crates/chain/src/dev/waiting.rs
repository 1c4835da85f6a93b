//! What waits for the next block, item by item: so it is kept, and so a block takes it.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, Bytes, map::AddressSet};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use trex_stf::{block::Overwrite, transaction::Transaction};
use trex_store::{Store, StoreError};

use super::patched::{Overlay, Patches, overwrites};

/// Gas of a block that unsigned transactions leave to what L1 wants in it.
const GAS_FOR_L1: u64 = 1_000_000;
/// Gas below which no transaction fits.
const LEAST_GAS: u64 = 21_000;
/// Meta key of the [`Numbers`]; followed by a number, big endian, that of an item.
const KEY: &[u8] = b"dev/waiting";
/// What an item takes beside its encoding, bytes.
const ITEM_BYTES: usize = 256;

/// A meta entry of the store; without a value it is removed.
pub(super) type Meta = (Vec<u8>, Vec<u8>);

/// One thing that waits, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Item {
    /// Overwrites.
    Patches(Patches),
    /// An unsigned transaction, EIP-2718 encoded.
    Unsigned(Bytes),
}

/// An item at hand.
#[derive(Clone, Debug)]
struct Held {
    item: Arc<Item>,
    /// Bytes it counts for.
    bytes: usize,
    /// Of an unsigned transaction: sender and gas limit.
    of: Option<(Address, u64)>,
}

impl Held {
    fn new(item: Item, encoded_len: usize) -> Option<Self> {
        let of = match &item {
            Item::Patches(_) => None,
            Item::Unsigned(raw) => {
                let tx = Transaction::decode(raw.clone()).ok()?;
                Some((tx.sender(), tx.gas_limit()))
            }
        };
        Some(Self { item: Arc::new(item), bytes: encoded_len + ITEM_BYTES, of })
    }
}

/// Which items there are, written with each block that takes some. Those from `next` on came later.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Numbers {
    left: Vec<u64>,
    next: u64,
}

/// What waits for the next block. Reads see it beside the newest block until a block has it.
///
/// Each item has a number that no other ever had: what a block took is struck out by it, whatever came
/// meanwhile, the same overwrite once more as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    items: BTreeMap<u64, Held>,
    /// All overwrites together.
    overlay: Arc<Overlay>,
    next: u64,
    bytes: usize,
    unsigned: usize,
}

/// What the next block takes, of what waits when it is begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    numbers: Vec<u64>,
    overlay: Arc<Overlay>,
    /// Unsigned transactions.
    pub(crate) deposits: Vec<Bytes>,
    /// The overwrites as the executor takes them.
    pub(crate) overwrites: Vec<Overwrite>,
}

impl Taken {
    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Bytes kept with the block; empty for a block that no development control touched.
    pub(crate) fn block_extra(&self) -> Vec<u8> {
        if self.overlay.is_empty() { Vec::new() } else { encode(self.overlay.patches()) }
    }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Maps with string keys and hex values always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))
}

fn corrupt(detail: String) -> StoreError {
    StoreError::Corrupt { place: "meta entries dev/waiting".into(), detail }
}

fn key(number: u64) -> Vec<u8> {
    [KEY, &number.to_be_bytes()].concat()
}

impl Waiting {
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let numbers = store.get_meta(KEY)?.map(|bytes| decode::<Numbers>(&bytes)).transpose()?;
        let Numbers { left, next } = numbers.unwrap_or_default();
        let mut waiting = Self { next, ..Self::default() };
        let mut read = |number: u64| -> Result<bool, StoreError> {
            let Some(bytes) = store.get_meta(&key(number))? else { return Ok(false) };
            let held = Held::new(decode(&bytes)?, bytes.len())
                .ok_or_else(|| corrupt(format!("item {number} is no transaction")))?;
            waiting.hold(number, held);
            Ok(true)
        };
        for number in left {
            if !read(number)? {
                return Err(corrupt(format!("item {number} is missing")));
            }
        }
        let mut number = next;
        while read(number)? {
            number += 1;
        }
        Ok(waiting)
    }

    fn hold(&mut self, number: u64, held: Held) {
        self.next = self.next.max(number + 1);
        self.bytes += held.bytes;
        self.unsigned += usize::from(held.of.is_some());
        if let Item::Patches(patches) = &*held.item {
            Arc::make_mut(&mut self.overlay).add(patches);
        }
        self.items.insert(number, held);
    }

    /// Number of the item that comes next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Bytes of all items.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many of them are unsigned transactions.
    pub(super) fn unsigned(&self) -> usize {
        self.unsigned
    }

    /// All overwrites together.
    pub(crate) fn overlay(&self) -> &Arc<Overlay> {
        &self.overlay
    }

    /// An item in the two forms it will have: the meta entry that keeps it, to be written first, and the
    /// one that [`Self::add`] takes.
    pub(super) fn prepare(&self, item: Item) -> Option<(Meta, Prepared)> {
        let encoded = encode(&item);
        let held = Held::new(item, encoded.len())?;
        Some(((key(self.next), encoded), Prepared { number: self.next, held }))
    }

    /// Adds an item that is kept by now.
    pub(super) fn add(&mut self, Prepared { number, held }: Prepared) {
        self.hold(number, held);
    }

    /// What a block begun now, of `block_gas`, takes. It goes on waiting until that block is there.
    ///
    /// An unsigned transaction that does not fit waits for a block in which it does, and so do the later
    /// ones of its sender; those of others go before.
    pub(crate) fn look(&self, block_gas: u64) -> Taken {
        let mut taken = Taken { overlay: self.overlay.clone(), ..Taken::default() };
        taken.overwrites = overwrites(self.overlay.patches());
        let mut gas = block_gas.saturating_sub(GAS_FOR_L1);
        let mut behind = AddressSet::default();
        for (number, held) in &self.items {
            if let (Item::Unsigned(raw), Some((sender, gas_limit))) = (&*held.item, held.of) {
                if gas < LEAST_GAS || gas_limit > gas || behind.contains(&sender) {
                    behind.insert(sender);
                    continue;
                }
                gas -= gas_limit;
                taken.deposits.push(raw.clone());
            }
            taken.numbers.push(*number);
        }
        taken
    }

    /// What still waits when a block has taken its part, and the meta entries that say so.
    pub(crate) fn without(&self, taken: &Taken) -> (Self, Vec<Meta>) {
        let mut rest = Self { next: self.next, ..Self::default() };
        let mut gone = taken.numbers.iter().peekable();
        for (&number, held) in &self.items {
            // Both rise.
            while gone.next_if(|gone| **gone < number).is_some() {}
            if gone.peek() != Some(&&number) {
                rest.hold(number, held.clone());
            }
        }
        let numbers = Numbers { left: rest.items.keys().copied().collect(), next: rest.next };
        let removed = taken.numbers.iter().map(|number| (key(*number), Vec::new()));
        let meta = std::iter::once((KEY.to_vec(), encode(&numbers))).chain(removed).collect();
        (rest, meta)
    }

    /// What waits when all of it gives way to `overlay`, and the meta entries that say so.
    pub(super) fn replaced(&self, overlay: &Overlay) -> (Self, Vec<Meta>) {
        let all = Taken { numbers: self.items.keys().copied().collect(), ..Taken::default() };
        let (mut rest, mut meta) = self.without(&all);
        if !overlay.is_empty()
            && let Some((entry, item)) = rest.prepare(Item::Patches(overlay.patches().clone()))
        {
            meta.push(entry);
            rest.add(item);
        }
        (rest, meta)
    }
}

/// An item that is about to be kept.
#[derive(Debug)]
pub(super) struct Prepared {
    number: u64,
    held: Held,
}

impl Prepared {
    /// Bytes it counts for.
    pub(super) fn bytes(&self) -> usize {
        self.held.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy_primitives::U256;

    use super::*;
    use crate::dev::Patch;

    fn put(waiting: &mut Waiting, of: u8, wei: u64) {
        let patch = Patch { balance: Some(U256::from(wei)), ..Patch::default() };
        let patches = Patches::from([(Address::with_last_byte(of), patch)]);
        let (_, item) = waiting.prepare(Item::Patches(patches)).unwrap();
        waiting.add(item);
    }

    fn balance(waiting: &Waiting, of: u8) -> Option<U256> {
        waiting.overlay().patches().get(&Address::with_last_byte(of)).and_then(|patch| patch.balance)
    }

    #[test]
    fn the_same_overwrite_once_more_during_a_build_waits_for_the_next() {
        let mut waiting = Waiting::default();
        put(&mut waiting, 1, 5);
        put(&mut waiting, 2, 6);
        let taken = waiting.look(30_000_000);
        put(&mut waiting, 1, 5);
        let (rest, meta) = waiting.without(&taken);
        assert_eq!((balance(&rest, 1), balance(&rest, 2)), (Some(U256::from(5)), None));
        assert_eq!(meta.len(), 3, "the numbers, and two entries that go");
        // Its number is its own again and again.
        let (rest, _) = rest.without(&rest.look(30_000_000));
        assert_eq!((rest.next(), rest.bytes(), balance(&rest, 1)), (3, 0, None));
    }

    #[test]
    fn later_overwrites_go_over_earlier_ones() {
        let mut waiting = Waiting::default();
        (0..5).for_each(|wei| put(&mut waiting, 1, wei));
        assert_eq!(balance(&waiting, 1), Some(U256::from(4)));
        let (replaced, meta) = waiting.replaced(&Overlay::default());
        assert_eq!((replaced.bytes(), replaced.next(), meta.len()), (0, 5, 6));
    }
}
