//! Tables made anew for a store that someone else has made (SNP-016).

use std::{
    fs, io,
    path::Path,
    sync::{Arc, PoisonError},
};

use alloy_primitives::{B256, keccak256};
use trex_stf::state::StateDiff;

use crate::{
    Progress, Store,
    error::{Result, StoreError},
    log::{self, ACTS, FIRST_LOGS, HEADER, Kind, LOGS, LogReader, Pos, RECEIPTS, SECTIONS, TXS, sync_dir},
    record::{self, Acts, Entries, Position},
    store::{malformed, position},
    trees::{Entry, Op, Snapshot, Table, Trees},
};

/// Entries that are written together.
const TOGETHER: usize = 4096;
/// Bytes of entries that are written for a byte of the store's files, at most: an honest store's are hardly
/// twice its own tables, whose neighbours share the beginnings of their keys.
const EXPANSION: u64 = 4;
/// Bytes of entries that are written whatever the files are.
const SPARE_BYTES: u64 = 64 << 20;
/// The longest key of a trie node: kind, the hash of an account, a path.
const NODE_KEY_BYTES: usize = 1 + 33 + 33;

impl Store {
    /// Makes the tables anew and closes the store.
    ///
    /// Whoever made the files chose the order of their entries, their indexes and filters, what finds a
    /// block, and what history says. Of all that nothing is left: what finds blocks, transactions and logs is
    /// made from the block log, and values and trie nodes are written again one by one. Meta entries and
    /// history are dropped: state is kept from the newest block on. What the entries say is for
    /// [`Store::verify`] to check, afterwards.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where an entry is out of order or of no kind there is, or where more would be
    /// written than the files can honestly hold; [`StoreError::Io`]. The store is then of no use.
    pub fn rewrite_tables(self, progress: Progress<'_>) -> Result<()> {
        let Some(head) = self.head() else { return Ok(()) };
        let Self { dir, trees, log, writer, options, _lock, .. } = self;
        let mut writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        // A record of its own: the new tables are as new as the log's end.
        let seq = trees.next_seq();
        let mut sections: [Vec<u8>; SECTIONS] = Default::default();
        sections[ACTS] = Acts::default().encode();
        writer.log.roll()?;
        writer.log.append(&log::encode(Kind::Meta, seq, head.number, &sections), seq)?;
        writer.log.sync_mark()?;
        let (tables, fresh) = (dir.join("tables"), dir.join("tables.new"));
        remove(&fresh)?;
        let (mut made, _) = Trees::open(&fresh, options.cache_bytes)?;
        made.gave_back(head.number);
        made.start(&log)?;
        let most = SPARE_BYTES.saturating_add(EXPANSION.saturating_mul(bytes_below(&dir)?));
        let mut target = Target { trees: &made, seq, end: writer.log.end(), left: most, most };
        copy(&trees.snapshot(), &log, head.number, &mut target, progress)?;
        made.compact(writer.log.end(), 0, &mut |_, _| ())?;
        drop((made, trees));
        remove(&tables)?;
        fs::rename(&fresh, &tables).map_err(|error| StoreError::io("tables", &error))?;
        sync_dir(&dir)
    }
}

/// Where entries go.
struct Target<'a> {
    trees: &'a Trees,
    seq: u64,
    end: Pos,
    /// Bytes that may still be written, and those that might at first.
    left: u64,
    most: u64,
}

impl Target<'_> {
    fn put(&mut self, ops: Vec<Op>) -> Result<()> {
        let bytes = |(_, key, value): &Op| (key.len() + value.as_ref().map_or(0, |value| value.len())) as u64;
        self.left = self.left.checked_sub(ops.iter().map(bytes).sum()).ok_or_else(|| {
            let what = format!("its entries take more than {} bytes: too many for its files", self.most);
            StoreError::corrupt("store", what)
        })?;
        self.trees.replay(self.seq, ops);
        if self.trees.is_full() { self.trees.flush(self.end, 0) } else { Ok(()) }
    }
}

fn copy(
    from: &Snapshot,
    log: &Arc<LogReader>,
    head: u64,
    target: &mut Target<'_>,
    progress: Progress<'_>,
) -> Result<()> {
    let mut hash = B256::ZERO;
    for number in 0..=head {
        let missing = || StoreError::corrupt(format!("block {number}"), "is missing");
        let at = position(from, number)?.ok_or_else(missing)?;
        let ops;
        (hash, ops) = finding_ops(log, number, at.pos)?;
        target.put(ops)?;
        if number.is_multiple_of(1024) || number == head {
            progress("blocks written", number + 1, head + 1);
        }
    }
    for (table, what) in [(Table::Flat, "values written"), (Table::Node, "trie nodes written")] {
        let mut done = 0;
        let mut last = Vec::new();
        let mut ops = Vec::with_capacity(TOGETHER);
        for entry in from.range(table, &[], &[0xff; 80])? {
            ops.push(checked(table, &mut last, entry?)?);
            if ops.len() == TOGETHER {
                done += TOGETHER as u64;
                target.put(std::mem::take(&mut ops))?;
                progress(what, done, 0);
            }
        }
        target.put(ops)?;
    }
    target.put(vec![record::head_op(head, &hash), record::earliest_op(head)])
}

/// What finds a block, its transactions and its logs, from its record alone; and the hash of its header.
fn finding_ops(log: &LogReader, number: u64, pos: Pos) -> Result<(B256, Vec<Op>)> {
    let frame = log.frame(pos)?;
    if frame.kind != Kind::Block || frame.number != number {
        return Err(StoreError::corrupt(format!("block {number}"), "record is another one's"));
    }
    let section = |index| log.section_of(pos, &frame, index);
    let bad = malformed("log");
    let (kept, _, header) = record::take_header(&section(HEADER)?).map_err(&bad)?;
    let hash = header.hash_slow();
    if kept != hash {
        return Err(StoreError::corrupt(format!("block {number}"), "header does not have its hash"));
    }
    let transactions = record::transactions_of(&section(TXS)?).map_err(&bad)?;
    let entries = Entries {
        number,
        at: Position { pos, hash, timestamp: header.timestamp },
        tx_hashes: &transactions.iter().map(keccak256).collect::<Vec<_>>(),
        receipts: &record::receipts_of(&section(RECEIPTS)?, &section(FIRST_LOGS)?, &section(LOGS)?)
            .map_err(&bad)?,
        diff: &StateDiff::default(),
        old_nodes: &Vec::new(),
        nodes_at: 0,
        acts: &Acts::decode(&section(ACTS)?).map_err(&bad)?,
    };
    Ok((hash, record::finding_ops(&entries)))
}

/// An entry, after the one with the key `last`.
fn checked(table: Table, last: &mut Vec<u8>, (key, value): Entry) -> Result<Op> {
    let bad = |what: &str| StoreError::corrupt(format!("table {}", table.name()), what);
    if !last.is_empty() && last.as_slice() >= key.as_ref() {
        return Err(bad("entries are not in order"));
    }
    let is_known = match (table, key.first(), key.len()) {
        (Table::Flat, Some(b'a'), 21)
        | (Table::Flat, Some(b's'), 53)
        | (Table::Node, Some(b'n'), 0..=NODE_KEY_BYTES) => true,
        // Read by its hash, by accounts to come too.
        (Table::Flat, Some(b'c'), 33) => keccak256(&value[..]).as_slice() == &key[1..],
        _ => false,
    };
    if !is_known {
        return Err(bad("an entry of no kind, or a code without its hash"));
    }
    *last = key.to_vec();
    Ok((table, key.to_vec(), Some(value)))
}

/// Bytes of the files in a folder and below it.
fn bytes_below(folder: &Path) -> Result<u64> {
    let io = |error: io::Error| StoreError::io("tables", &error);
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let about = entry.metadata().map_err(io)?;
        bytes += if about.is_dir() { bytes_below(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("tables", &error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy_primitives::{Address, U256};
    use trex_stf::state::{Account, State as _};

    use super::{
        common::{Block, check_block, check_state, next_block, options, who},
        *,
    };
    use crate::{History, codec};

    fn key(kind: u8, rest: &[u8]) -> Vec<u8> {
        [&[kind], rest].concat()
    }

    #[test]
    fn entries_out_of_order_and_of_no_kind_are_refused() {
        let mut last = Vec::new();
        let code = keccak256("code");
        for entry in [(key(b'a', &[1; 20]), ""), (key(b'a', &[2; 20]), ""), (key(b'c', &code[..]), "code")] {
            checked(Table::Flat, &mut last, (entry.0.into(), entry.1.into())).unwrap();
        }
        let refused = |key: Vec<u8>| {
            let entry = (key.into(), "code".into());
            checked(Table::Flat, &mut last.clone(), entry).unwrap_err().to_string()
        };
        assert!(refused(key(b'c', &code[..])).contains("not in order"), "twice");
        assert!(refused(key(b'a', &[3; 20])).contains("not in order"), "before");
        assert!(refused(key(b'c', &[0xff; 32])).contains("without its hash"));
        assert!(refused(key(b'x', &[])).contains("of no kind"));
        assert!(refused(key(b's', &[0; 50])).contains("of no kind"));
        let node = |length: usize| {
            let entry = (key(b'n', &vec![0; length]).into(), "node".into());
            checked(Table::Node, &mut Vec::new(), entry).map_err(|error| error.to_string())
        };
        node(66).unwrap();
        assert!(node(67).unwrap_err().contains("of no kind"), "many may share what is before their ends");
    }

    /// SNP-016: a small file does not become a large store.
    #[test]
    fn tables_made_anew_hold_no_more_than_the_files_can() {
        let dir = tempfile::tempdir().unwrap();
        let (trees, _) = Trees::open(&dir.path().join("tables"), 1 << 20).unwrap();
        fs::write(dir.path().join("file"), [0; 100]).unwrap();
        assert!(bytes_below(dir.path()).unwrap() > 100, "with what is in folders");
        let mut target = Target { trees: &trees, seq: 1, end: Pos::default(), left: 100, most: 100 };
        let entry = |at: u8| (Table::Node, vec![b'n', at], Some([7; 28].into()));
        target.put(vec![entry(1), entry(2)]).unwrap();
        target.put(vec![entry(3)]).unwrap();
        let refused = target.put(vec![entry(4)]).unwrap_err();
        assert_eq!(refused.code(), "store_corrupt");
        assert!(refused.to_string().contains("more than 100 bytes"), "{refused}");
    }

    /// What would hide a log, or name one that is not there.
    #[test]
    fn an_index_that_is_not_the_blocks_own_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path(), options(History::Archive)).unwrap());
        let mut chain: Vec<Block> = vec![next_block(None, 5, 20)];
        (0..6).for_each(|_| chain.push(next_block(chain.last(), 5, 20)));
        chain.iter().for_each(|block| store.commit(&block.data()).unwrap());
        let write = |key: &[u8], value: Option<&[u8]>| {
            let seq = store.trees.next_seq();
            store.trees.write(seq, vec![(Table::Index, key.to_vec(), value.map(Into::into))]);
            store.trees.publish(seq);
        };
        let verify = || store.verify(None, &mut |_, _, _| ()).map_err(|fault| fault.to_string());
        verify().unwrap();
        let (key, value) = store.snapshot().first(Table::Index, &[], &[0xff; 80]).unwrap().unwrap();
        for other in [None, Some([&value[..], &[1]].concat())] {
            write(&key, other.as_deref());
            assert!(verify().unwrap_err().contains("is not found by the index"), "{other:?}");
        }
        write(&key, Some(&value));
        verify().unwrap();
        write(&[&key[..], &[0]].concat(), Some(&value));
        assert!(verify().unwrap_err().contains("table index"), "one too many");
        // A store is the chain's again when its tables are made anew.
        drop(store.snapshot());
        Arc::into_inner(store).unwrap().rewrite_tables(&mut |_, _, _| ()).unwrap();
        let store = Arc::new(Store::open(dir.path(), options(History::Archive)).unwrap());
        store.verify(None, &mut |_, _, _| ()).unwrap();
    }

    /// SNP-016: entries that no block made, which looking everything up that there is does not meet.
    #[test]
    fn what_tables_say_besides_the_chain_is_gone_when_they_are_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut chain: Vec<Block> = vec![next_block(None, 5, 20)];
        for _ in 0..12 {
            chain.push(next_block(chain.last(), 5, 20));
        }
        let store = Store::open(dir.path(), options(History::Last(1))).unwrap();
        for block in &chain {
            store.commit(&block.data()).unwrap();
        }
        let head = chain[12].header.number;
        let (nobody, nothing) = (Address::repeat_byte(0xbb), B256::repeat_byte(9));
        let rich = Account { balance: U256::MAX, ..Account::default() };
        let place = [[0; 8].as_slice(), &[0; 4]].concat();
        let invented = [
            (
                Table::History,
                record::at_block(record::account_key(&nobody), head + 1),
                codec::account_value(Some(&rich)),
            ),
            (Table::Lookup, record::tx_key(&nothing), place),
            (Table::Lookup, record::hash_key(&nothing), 1u64.to_be_bytes().to_vec()),
            (Table::Lookup, record::meta_key(b"l1/heads"), b"{}".to_vec()),
        ];
        let seq = store.trees.next_seq();
        store.trees.write(seq, invented.into_iter().map(|(t, k, v)| (t, k, Some(v.into()))).collect());
        store.trees.publish(seq);
        assert!(store.find_transaction(&nothing).unwrap().is_some());
        store.rewrite_tables(&mut |_, _, _| ()).unwrap();

        let everybody: Vec<Address> = (0..100).map(who).collect();
        let open = || Arc::new(Store::open(dir.path(), options(History::Archive)).unwrap());
        let store = open();
        assert_eq!((store.head().unwrap().hash, store.earliest_state()), (chain[12].hash, head));
        assert_eq!(store.verify(None, &mut |_, _, _| ()).unwrap().blocks, head + 1);
        assert_eq!(store.find_transaction(&nothing).unwrap(), None);
        assert_eq!(store.number_by_hash(&nothing).unwrap(), None);
        assert_eq!(store.get_meta(b"l1/heads").unwrap(), None);
        for block in &chain {
            check_block(&store, block).unwrap();
        }
        let next = next_block(chain.last(), 6, 20);
        store.commit(&next.data()).unwrap();
        assert_eq!(store.state_at(head).unwrap().account(&nobody).unwrap(), None);
        drop(store);
        let store = open();
        check_state(&store, &chain[12], &everybody).unwrap();
        check_state(&store, &next, &everybody).unwrap();
        store.unwind_to(head).unwrap();
        check_state(&store, &chain[12], &everybody).unwrap();
    }
}
