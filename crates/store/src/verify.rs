//! Reading everything and checking that it fits together.

use std::{fs::File, io::Read, sync::Arc};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, Keccak256, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieAccount,
    nodes::{RlpNode, TrieNode},
};
use trex_stf::{receipt::Receipt, state::State, state_trie::account_rlp};

use crate::{
    Body, StateView, Store, TxPlace, codec,
    error::{Result, StoreError},
    log::{ACTS, FLAT, Kind, NODES, SECTIONS},
    record::{self, Acts, Position},
    store::{malformed, position},
    trees::Table,
};

/// Where the system gives random bytes.
const RANDOM: &str = "/dev/urandom";

/// What a verification went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Blocks read: hashes, links, sections, lookups, what the index says of them.
    pub blocks: u64,
    /// Table entries read.
    pub entries: u64,
    /// Accounts, in the trie and flat alike.
    pub accounts: u64,
    /// Storage slots, in the tries and flat alike.
    pub slots: u64,
    /// Trie nodes reached from the state root.
    pub nodes: u64,
    /// Trie nodes stored that nothing leads to; they cost space, not truth.
    pub unreachable_nodes: u64,
    /// Past values compared with the records they came from.
    pub past_values: u64,
}

/// Further checks of a block (transaction and receipt roots); the text says what is wrong.
pub type CheckBlock<'a> = &'a mut dyn FnMut(&Header, &Body, &[Receipt]) -> std::result::Result<(), String>;

/// Progress: what is being read, how much of it is done, how much there is (0 where unknown).
pub type Progress<'a> = &'a mut dyn FnMut(&'static str, u64, u64);

/// An order-free digest of what a trie or the flat state holds: equal sums, equal contents.
///
/// Flat entries are ordered by address and leaves by its hash, so neither can be read in the other's
/// order without a look-up for each. A sum of hashes needs no order, and as the key is drawn for each
/// run, whoever made the files could not choose entries whose hashes give a certain sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Contents {
    key: [u8; 32],
    count: u64,
    sum: U256,
}

impl Contents {
    /// Nothing yet, by a key that nobody has known before.
    fn new() -> Result<Self> {
        let mut key = [0; 32];
        File::open(RANDOM)
            .and_then(|mut file| file.read_exact(&mut key))
            .map_err(|e| StoreError::io(RANDOM, &e))?;
        Ok(Self { key, count: 0, sum: U256::ZERO })
    }

    /// Adds an entry. All parts but the last have one length each, so that no two entries read alike.
    fn add(&mut self, parts: &[&[u8]]) {
        let mut hasher = Keccak256::new();
        hasher.update(self.key);
        for part in parts {
            hasher.update(part);
        }
        self.count += 1;
        self.sum = self.sum.wrapping_add(hasher.finalize().into());
    }
}

impl Store {
    /// Reads everything and checks it: every record and its links, every table block, every trie node
    /// from the head's state root down, the flat state against the tries' leaves, past values against
    /// the records they came from.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] at the first thing that does not fit.
    pub fn verify(
        self: &Arc<Self>,
        check_block: Option<CheckBlock<'_>>,
        progress: Progress<'_>,
    ) -> Result<Verified> {
        let mut done = Verified::default();
        let Some(head) = self.head() else { return Ok(done) };
        let mut indexed = 0;
        let header = self.verify_blocks(head.number, check_block, progress, &mut done, &mut indexed)?;
        let view = self.state_at(head.number)?;
        for table in Table::ALL {
            let mut n = 0u64;
            for entry in view.snapshot().range(table, &[], &[0xff; 80])? {
                entry?;
                n += 1;
                if n.is_multiple_of(1 << 16) {
                    progress("table entries", done.entries + n, 0);
                }
            }
            if table == Table::Index && n != indexed {
                let what = format!("{n} entries, the blocks call for {indexed}");
                return Err(StoreError::corrupt("table index", what));
            }
            done.entries += n;
        }
        verify_state(&view, header.state_root, progress, &mut done)?;
        self.verify_history(head.number, progress, &mut done)?;
        Ok(done)
    }

    fn verify_blocks(
        &self,
        head: u64,
        mut check_block: Option<CheckBlock<'_>>,
        progress: Progress<'_>,
        done: &mut Verified,
        indexed: &mut u64,
    ) -> Result<Header> {
        let snapshot = self.snapshot();
        let mut parent = B256::ZERO;
        let mut last = None;
        for number in 0..=head {
            let bad = |what: &str| StoreError::corrupt(format!("block {number}"), what);
            let Position { pos, hash, timestamp } =
                position(&snapshot, number)?.ok_or_else(|| bad("is missing"))?;
            let frame = self.log.frame(pos)?;
            if frame.number != number || frame.kind != Kind::Block {
                return Err(bad("record is another one's"));
            }
            // State changes of pruned blocks are given back.
            let pruned = number > 0 && number <= self.earliest_state();
            for section in (0..SECTIONS).filter(|section| !pruned || ![FLAT, NODES].contains(section)) {
                self.log.section_of(pos, &frame, section)?;
            }
            let (kept, header) = self.sealed_header(number)?.ok_or_else(|| bad("header is missing"))?;
            if header.hash_slow() != hash
                || kept != hash
                || header.number != number
                || header.timestamp != timestamp
            {
                return Err(bad("header does not have its hash"));
            }
            if number > 0 && header.parent_hash != parent {
                return Err(bad("does not follow its parent"));
            }
            let body = self.body(number)?.ok_or_else(|| bad("body is missing"))?;
            let receipts = self.receipts(number)?.ok_or_else(|| bad("receipts are missing"))?;
            if body.senders.len() != body.transactions.len() || receipts.len() != body.transactions.len() {
                return Err(bad("senders or receipts do not match the transactions"));
            }
            let outline = self.outline(number)?.ok_or_else(|| bad("outline is missing"))?;
            if outline.body_bytes != record::body_bytes(&body.transactions)
                || body.hashes.len() != body.transactions.len()
            {
                return Err(bad("hashes or size do not match the transactions"));
            }
            for (index, (tx, hash)) in (0..).zip(body.transactions.iter().zip(&body.hashes)) {
                if keccak256(tx) != *hash {
                    return Err(bad("a transaction does not have its hash"));
                }
                if self.find_transaction(hash)? != Some(TxPlace { block: number, index }) {
                    return Err(bad("a transaction is not found by its hash"));
                }
            }
            if self.number_by_hash(&hash)? != Some(number) {
                return Err(bad("is not found by its hash"));
            }
            let acts = Acts::decode(&self.log.section_of(pos, &frame, ACTS)?).map_err(malformed("log"))?;
            for (table, key, value) in record::index_ops(number, &receipts, &acts) {
                if snapshot.get(table, &key)? != value {
                    return Err(bad("a log or a transaction is not found by the index"));
                }
                *indexed += 1;
            }
            if let Some(check) = &mut check_block {
                check(&header, &body, &receipts).map_err(|what| bad(&what))?;
            }
            parent = hash;
            last = Some(header);
            done.blocks += 1;
            if number.is_multiple_of(64) || number == head {
                progress("blocks", number + 1, head + 1);
            }
        }
        last.ok_or(StoreError::UnknownBlock { block: head })
    }

    /// Some kept blocks: what they changed, seen from before and from after.
    fn verify_history(
        self: &Arc<Self>,
        head: u64,
        progress: Progress<'_>,
        done: &mut Verified,
    ) -> Result<()> {
        const SAMPLES: u64 = 16;
        const VALUES: usize = 256;
        let first = self.earliest_state() + 1;
        for i in 0..SAMPLES.min(head.saturating_sub(first) + 1) {
            let number = first + i * (head.saturating_sub(first)) / SAMPLES.max(1);
            if number > head {
                break;
            }
            let Some(Position { pos, .. }) = position(&self.snapshot(), number)? else { continue };
            let diff = codec::take_flat(&self.log.section(pos, FLAT)?).map_err(malformed("log"))?;
            let nodes = codec::take_nodes(&self.log.section(pos, NODES)?).map_err(malformed("log"))?.0;
            let (before, after) = (self.state_at(number - 1)?, self.state_at(number)?);
            let bad = |what: String| StoreError::corrupt("table history", format!("block {number}: {what}"));
            for (address, change) in diff.accounts.iter().take(VALUES) {
                if before.account(address)? != change.old || after.account(address)? != change.new {
                    return Err(bad(format!("account {address} is another than its record says")));
                }
                done.past_values += 2;
            }
            for (address, slot, change) in diff.slots.iter().take(VALUES) {
                if before.storage(address, slot)? != change.old || after.storage(address, slot)? != change.new
                {
                    return Err(bad(format!("slot {slot} of {address} is another than its record says")));
                }
                done.past_values += 2;
            }
            for node in nodes.iter().take(VALUES) {
                for (view, bytes) in [(&before, &node.change.old), (&after, &node.change.new)] {
                    if let Some(bytes) = bytes {
                        view.node(node.owner.as_ref(), &node.path, &keccak256(bytes))?;
                        done.past_values += 1;
                    }
                }
            }
            progress("history", i + 1, SAMPLES);
        }
        Ok(())
    }
}

fn verify_state(view: &StateView, root: B256, progress: Progress<'_>, done: &mut Verified) -> Result<()> {
    let bad = |what: String| StoreError::corrupt("state", what);
    // Flat: accounts and slots run side by side in one table.
    let nothing = Contents::new()?;
    let (mut accounts, mut slots) = (nothing, nothing);
    for entry in view.snapshot().range(Table::Flat, b"a", b"b")? {
        let (key, value) = entry?;
        let address = key.get(1..).filter(|k| k.len() == 20).ok_or_else(|| bad("bad account key".into()))?;
        let account = codec::parse_account(&value)
            .map_err(malformed("table flat"))?
            .ok_or_else(|| bad("empty account".into()))?;
        let address = Address::from_slice(address);
        if view.account(&address)? != Some(account) {
            return Err(bad(format!("account {address} is another when it is looked up")));
        }
        if account.code_hash != KECCAK256_EMPTY
            && keccak256(view.code(&account.code_hash)?) != account.code_hash
        {
            return Err(bad(format!("code {} does not have its hash", account.code_hash)));
        }
        accounts.add(&[keccak256(address).as_slice(), &account_rlp(&account)]);
        if accounts.count.is_multiple_of(1 << 14) {
            progress("accounts", accounts.count, 0);
        }
    }
    let mut owner = (Address::ZERO, keccak256(Address::ZERO));
    for entry in view.snapshot().range(Table::Flat, b"s", b"t")? {
        let (key, value) = entry?;
        if key.len() != 53 {
            return Err(bad("bad slot key".into()));
        }
        let address = Address::from_slice(&key[1..21]);
        if owner.0 != address {
            owner = (address, keccak256(address));
        }
        let value = codec::parse_slot_value(&value).map_err(malformed("table flat"))?;
        if view.storage(&address, &U256::from_be_slice(&key[21..]))? != value {
            return Err(bad(format!("a slot of {address} is another when it is looked up")));
        }
        slots.add(&[owner.1.as_slice(), keccak256(&key[21..]).as_slice(), &alloy_rlp::encode(value)]);
    }
    // Tries: account leaves lead to storage tries.
    let (mut in_trie, mut slots_in_tries) = (nothing, nothing);
    let mut nodes = 0;
    let mut storages = Vec::new();
    walk(view, None, root, &mut nodes, &mut |path, value| {
        in_trie.add(&[path.as_slice(), value]);
        if in_trie.count.is_multiple_of(1 << 14) {
            progress("account trie", in_trie.count, accounts.count);
        }
        let account = TrieAccount::decode(&mut &*value).map_err(|_| bad("bad account leaf".into()))?;
        if account.storage_root != EMPTY_ROOT_HASH {
            storages.push((path, account.storage_root));
        }
        Ok(())
    })?;
    for (owner, root) in storages {
        walk(view, Some(&owner), root, &mut nodes, &mut |path, value| {
            slots_in_tries.add(&[owner.as_slice(), path.as_slice(), value]);
            if slots_in_tries.count.is_multiple_of(1 << 14) {
                progress("storage tries", slots_in_tries.count, slots.count);
            }
            Ok(())
        })?;
    }
    if accounts != in_trie {
        return Err(bad(format!(
            "{} flat accounts are not the {} of the trie",
            accounts.count, in_trie.count
        )));
    }
    if slots != slots_in_tries {
        return Err(bad(format!(
            "{} flat slots are not the {} of the tries",
            slots.count, slots_in_tries.count
        )));
    }
    let mut stored = 0u64;
    for entry in view.snapshot().range(Table::Node, &[], &[0xff; 80])? {
        entry?;
        stored += 1;
    }
    done.accounts = accounts.count;
    done.slots = slots.count;
    done.nodes = nodes;
    done.unreachable_nodes = stored.saturating_sub(nodes);
    Ok(())
}

/// Every leaf of a trie, every node's hash checked on the way.
fn walk(
    view: &StateView,
    owner: Option<&B256>,
    root: B256,
    nodes: &mut u64,
    each: &mut dyn FnMut(B256, &[u8]) -> Result<()>,
) -> Result<()> {
    if root == EMPTY_ROOT_HASH {
        return Ok(());
    }
    let bad = || StoreError::corrupt("table node", "a node cannot be decoded");
    let mut stack = vec![(Nibbles::new(), RlpNode::word_rlp(&root))];
    while let Some((path, place)) = stack.pop() {
        let node = match place.as_hash() {
            Some(hash) => {
                *nodes += 1;
                let bytes = view.node(owner, &path, &hash)?;
                TrieNode::decode(&mut bytes.as_ref()).map_err(|_| bad())?
            }
            None => TrieNode::decode(&mut place.as_slice()).map_err(|_| bad())?,
        };
        match node {
            TrieNode::EmptyRoot => {}
            TrieNode::Branch(branch) => {
                for (nibble, child) in branch.as_ref().children() {
                    if let Some(child) = child {
                        let mut path = path;
                        path.push(nibble);
                        stack.push((path, child.clone()));
                    }
                }
            }
            TrieNode::Extension(extension) => {
                let mut path = path;
                path.extend(&extension.key);
                stack.push((path, extension.child));
            }
            TrieNode::Leaf(leaf) => {
                let mut path = path;
                path.extend(&leaf.key);
                if path.len() != 64 {
                    return Err(bad());
                }
                each(B256::from_slice(&path.pack()), &leaf.value)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::unwrap_used)]
    fn sums_tell_contents_apart_by_a_key_of_their_own() {
        let nothing = Contents::new().unwrap();
        let sum = |of: Contents, entries: [&[u8]; 2]| {
            entries.into_iter().fold(of, |mut sum, entry| {
                sum.add(&[entry]);
                sum
            })
        };
        assert_eq!(sum(nothing, [b"a", b"b"]), sum(nothing, [b"b", b"a"]));
        assert_ne!(sum(nothing, [b"a", b"b"]), sum(nothing, [b"a", b"c"]));
        let other = Contents::new().unwrap();
        assert_ne!(sum(nothing, [b"a", b"b"]).sum, sum(other, [b"a", b"b"]).sum, "keys are drawn");
    }
}
