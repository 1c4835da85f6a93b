//! Blocks executed over a store on disk, which is unwound and reopened between them.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, Bytes, U256};
use tempfile::TempDir;
use trex_stf::{
    block::Block,
    program::{self, Input, Output},
    state::State,
    state_trie::StateTrie,
    transaction::Transaction,
};
use trex_store::{BlockData, Options, Store};

use crate::common::chain::Chain;

/// How often in a chain the store is unwound or reopened, about.
const DISTURBANCES: usize = 10;

struct Stored {
    store: Option<Arc<Store>>,
    directory: TempDir,
    trie: StateTrie,
}

impl Stored {
    /// A new store with the chain's genesis.
    fn new(chain: &Chain) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let header = &chain.headers[0];
        let mut stored = Self { store: None, directory, trie: StateTrie::new(header.state_root) };
        stored.reopen();
        let genesis = BlockData {
            header,
            hash: header.hash_slow(),
            transactions: &[],
            tx_hashes: &[],
            senders: &[],
            recipients: &[],
            receipts: &[],
            diff: &chain.genesis,
            appearances: &[],
            created: &[],
            extra: &[],
            meta: &[],
        };
        stored.store().init_genesis(&genesis).unwrap();
        stored
    }

    fn store(&self) -> &Arc<Store> {
        self.store.as_ref().unwrap()
    }

    /// Closes the store and opens it again; nothing of its tries stays in memory.
    fn reopen(&mut self) {
        self.store = None;
        let options = Options { cache_bytes: 8 << 20, ..Options::new(B256::repeat_byte(1)) };
        self.store = Some(Arc::new(Store::open(self.directory.path(), options).unwrap()));
        self.trie = StateTrie::new(self.trie.root());
    }

    fn unwind(&mut self, chain: &Chain, number: u64) {
        self.store().unwind_to(number).unwrap();
        self.trie = StateTrie::new(chain.headers[number as usize].state_root);
    }

    /// Executes the block of an input over the store: the output must be `output`, byte for byte.
    fn execute(&mut self, input: &Input, output: &[u8]) -> Block {
        let state = self.store().latest().unwrap();
        let parent_hash = input.parent.hash_slow();
        let (block, excluded) = program::execute(
            &input.params,
            &input.parent,
            parent_hash,
            &input.attributes,
            input.transactions.clone(),
            &state,
            &mut self.trie,
        )
        .unwrap();
        assert_eq!(self.trie.root(), block.header.state_root);
        let ours = alloy_rlp::encode(Output::new(parent_hash, &block, excluded));
        assert!(ours == output, "block {}: output differs", block.header.number);
        block
    }

    fn commit(&self, block: &Block) {
        let transactions: Vec<Bytes> = block.transactions.iter().map(|tx| tx.encoded().clone()).collect();
        let hashes: Vec<B256> = block.transactions.iter().map(Transaction::hash).collect();
        let senders: Vec<Address> = block.transactions.iter().map(Transaction::sender).collect();
        let recipients: Vec<Option<Address>> =
            block.transactions.iter().map(|tx| tx.envelope().to()).collect();
        let data = BlockData {
            header: &block.header,
            hash: block.hash,
            transactions: &transactions,
            tx_hashes: &hashes,
            senders: &senders,
            recipients: &recipients,
            receipts: &block.receipts,
            diff: &block.diff,
            appearances: &[],
            created: &[],
            extra: &[],
            meta: &[],
        };
        self.store().commit(&data).unwrap();
    }

    /// All blocks above `from`, on a store whose head that is.
    fn run(&mut self, inputs: &[(Input, Vec<u8>)], from: usize) {
        for (input, output) in &inputs[from..] {
            let block = self.execute(input, output);
            self.commit(&block);
        }
    }

    fn check_state(&self, chain: &Chain) {
        let view = self.store().latest().unwrap();
        let mut accounts = std::collections::BTreeMap::new();
        view.accounts(&Address::ZERO, &mut |address, account| accounts.insert(address, account).is_none())
            .unwrap();
        assert_eq!(accounts, chain.state.accounts);
        let mut slots = std::collections::BTreeMap::new();
        for (address, account) in &accounts {
            view.slots(address, &U256::ZERO, &mut |slot, value| {
                slots.insert((*address, slot), value).is_none()
            })
            .unwrap();
            if account.code_hash != alloy_primitives::KECCAK256_EMPTY {
                assert_eq!(view.code(&account.code_hash).unwrap(), chain.state.codes[&account.code_hash]);
            }
        }
        assert_eq!(slots, chain.state.slots);
    }
}

/// Makes a chain's blocks again over a store, going back and reopening now and then, and once more
/// from genesis. Each gives the output it gave in memory. Returns how many blocks there are.
pub fn agree(chain: &Chain) -> usize {
    let inputs: Vec<(Input, Vec<u8>)> = chain
        .programs
        .iter()
        .map(|(input, output)| (Input::decode_exact(input).unwrap(), output.clone()))
        .collect();
    let mut stored = Stored::new(chain);
    let every = (inputs.len() / DISTURBANCES).max(1);
    for index in 0..inputs.len() {
        stored.run(&inputs[..=index], index);
        if index % every == 0 {
            // Back by up to three blocks, now and then over a new opening, and forward again.
            let back = index.saturating_sub(index / every % 3);
            stored.unwind(chain, back as u64);
            if (index / every).is_multiple_of(2) {
                stored.reopen();
            }
            stored.run(&inputs[..=index], back);
        }
    }
    stored.check_state(chain);
    stored.unwind(chain, 0);
    stored.reopen();
    stored.run(&inputs, 0);
    stored.check_state(chain);
    inputs.len()
}
