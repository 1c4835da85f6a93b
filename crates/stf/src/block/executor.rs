//! A block in the making, transaction by transaction.

use alloc::{string::ToString, vec::Vec};
use core::fmt;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, Transaction as _, Typed2718};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use op_alloy_consensus::OpTxEnvelope;
use revm::{
    context::{
        JournalTr as _,
        journaled_state::account::JournaledAccountTr as _,
        result::{EVMError, ExecutionResult},
    },
    handler::Handler,
    inspector::{Inspector, InspectorHandler},
    interpreter::interpreter::EthInterpreter,
    state::EvmState,
};

use super::{
    AttributesError, Block, BlockError, Exclusion,
    roots::{account_updates, body_roots},
};
use crate::{
    attributes::{BlockAttributes, L1Origin},
    deposits::{attributes_deposit, stored_origin},
    evm::{
        FeeHandler, StateContext, StateError, StateEvm, TX_GAS_LIMIT_CAP, TransactError, block_env, bytecode,
        config, evm, system_calls, tx_env,
    },
    fees::{base_fee_wei, l1_fee},
    header::{extra_data, output_root, slot, timestamp},
    params::{BASE_FEE_VAULT, L1_FEE_VAULT, MESSAGE_PASSER, NetworkParams, SEQUENCER_FEE_VAULT},
    receipt::{L1Fee, Receipt},
    state::{State, StateDiff},
    state_trie::StateTrie,
    transaction::{DecodeError, Transaction},
};

/// New values for parts of one account, see [`BlockExecutor::overwrite`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overwrite {
    /// Whose account.
    pub address: Address,
    /// Balance, wei.
    pub balance: Option<U256>,
    /// Nonce.
    pub nonce: Option<u64>,
    /// Code.
    pub code: Option<Bytes>,
    /// Slots and their values.
    pub storage: Vec<(U256, U256)>,
}

/// A block in the making.
pub struct BlockExecutor<'a, S: State, I = ()> {
    params: NetworkParams,
    origin: L1Origin,
    header: Header,
    evm: StateEvm<'a, S, I>,
    state: &'a S,
    transactions: Vec<Transaction>,
    receipts: Vec<Receipt>,
    participants: Vec<(Address, u32)>,
    priority_fees_wei: U256,
    base_fees_wei: U256,
    l1_fees_wei: U256,
}

impl<S: State, I: fmt::Debug> fmt::Debug for BlockExecutor<'_, S, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockExecutor")
            .field("header", &self.header)
            .field("transactions", &self.transactions.len())
            .finish_non_exhaustive()
    }
}

/// Header of a block to be built on `parent`, as far as attributes decide it: roots, bloom and gas
/// used are still empty (STF-009).
pub fn open_header(
    params: &NetworkParams,
    parent: &Header,
    parent_hash: B256,
    attributes: &BlockAttributes,
) -> Result<Header, AttributesError> {
    let parent_slot = slot(parent).ok_or(AttributesError::ParentSlot)?;
    if attributes.slot <= parent_slot {
        return Err(AttributesError::Slot { parent: parent_slot, slot: attributes.slot });
    }
    Ok(Header {
        parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: SEQUENCER_FEE_VAULT,
        state_root: B256::ZERO,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        logs_bloom: Bloom::ZERO,
        difficulty: U256::ZERO,
        number: parent.number + 1,
        gas_limit: attributes.gas_limit,
        gas_used: 0,
        timestamp: timestamp(params, attributes.slot),
        extra_data: extra_data(attributes.slot),
        mix_hash: attributes.origin.prev_randao,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(base_fee_wei(
            params,
            parent.base_fee_per_gas.unwrap_or_default(),
            parent.gas_used,
            parent.gas_limit,
            attributes.slot - parent_slot,
        )),
        withdrawals_root: Some(EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(attributes.origin.parent_beacon_block_root),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    })
}

impl<'a, S: State> BlockExecutor<'a, S> {
    /// Opens a block on `parent`: system calls, L1 attributes and forced deposits are executed.
    pub fn new(
        params: &NetworkParams,
        parent: &Header,
        parent_hash: B256,
        attributes: &BlockAttributes,
        state: &'a S,
    ) -> Result<Self, BlockError<S::Error>> {
        BlockExecutor::with_inspector(params, parent, parent_hash, attributes, state, ())
    }
}

impl<'a, S: State, I> BlockExecutor<'a, S, I> {
    /// [`BlockExecutor::new`] with an inspector at hand for [`BlockExecutor::inspect`].
    pub fn with_inspector(
        params: &NetworkParams,
        parent: &Header,
        parent_hash: B256,
        attributes: &BlockAttributes,
        state: &'a S,
        inspector: I,
    ) -> Result<Self, BlockError<S::Error>> {
        let header = open_header(params, parent, parent_hash, attributes).map_err(BlockError::Attributes)?;
        let mut executor = Self {
            params: *params,
            origin: attributes.origin,
            evm: evm(config(params), block_env(&header), state, inspector),
            header,
            state,
            transactions: Vec::new(),
            receipts: Vec::new(),
            participants: Vec::new(),
            priority_fees_wei: U256::ZERO,
            base_fees_wei: U256::ZERO,
            l1_fees_wei: U256::ZERO,
        };
        system_calls(&mut executor.evm, &executor.header).map_err(BlockError::from_evm)?;
        executor.announce_origin(parent)?;
        for (index, encoded) in attributes.deposits.iter().enumerate() {
            executor.force(index, encoded)?;
        }
        Ok(executor)
    }

    /// Writes the L1 origin to the state when it is not the parent's any more.
    fn announce_origin(&mut self, parent: &Header) -> Result<(), BlockError<S::Error>> {
        let stored = stored_origin(self.state).map_err(BlockError::State)?;
        let origin = self.origin;
        let wrong =
            BlockError::Attributes(AttributesError::Origin { parent: stored.number, number: origin.number });
        if origin.hash == stored.hash {
            let parent_origin = L1Origin {
                prev_randao: parent.mix_hash,
                parent_beacon_block_root: parent.parent_beacon_block_root.unwrap_or_default(),
                ..stored
            };
            return if origin == parent_origin { Ok(()) } else { Err(wrong) };
        }
        if !stored.hash.is_zero() && origin.number <= stored.number {
            return Err(wrong);
        }
        self.deposit(attributes_deposit(&self.params, &origin))
    }

    /// Executes a forced deposit: those of the attributes already are when a block is open. Only a
    /// development network, which overwrites state before its deposits run, has more of them.
    pub fn force(&mut self, index: usize, encoded: &Bytes) -> Result<(), BlockError<S::Error>> {
        let refuse = |error| BlockError::Attributes(AttributesError::DepositEncoding { index, error });
        let tx = Transaction::decode(encoded.clone()).map_err(refuse)?;
        if !tx.is_deposit() {
            return Err(refuse(DecodeError::UnsupportedType(tx.envelope().ty())));
        }
        if tx.gas_limit() > TX_GAS_LIMIT_CAP.min(self.gas_left()) {
            return Err(BlockError::Attributes(AttributesError::DepositGas { index }));
        }
        self.deposit(tx)
    }

    /// Runs a deposit. It is always included (STF-011): where it cannot run, it fails, its mint and the
    /// sender's nonce stay and all its gas is used (STF-012; OP Stack, Regolith).
    fn deposit(&mut self, tx: Transaction) -> Result<(), BlockError<S::Error>> {
        let envelope = tx.envelope().clone();
        let OpTxEnvelope::Deposit(deposit) = envelope else {
            return Err(BlockError::Evm("not a deposit".to_string()));
        };
        let state_error = |StateError(error): StateError<S::Error>| BlockError::State(error);
        let journal = &mut self.evm.ctx.journaled_state;
        journal.balance_incr(deposit.from, U256::from(deposit.mint)).map_err(state_error)?;
        let nonce = journal.load_account(deposit.from).map_err(state_error)?.data.info.nonce;
        journal.commit_tx();

        let cfg = &mut self.evm.ctx.cfg;
        (cfg.disable_nonce_check, cfg.disable_base_fee, cfg.disable_eip3607) = (true, true, true);
        let outcome = self.run(&tx, U256::ZERO);
        let cfg = &mut self.evm.ctx.cfg;
        (cfg.disable_nonce_check, cfg.disable_base_fee, cfg.disable_eip3607) = (false, false, false);
        let result = match outcome {
            Ok(result) => Some(result),
            Err(EVMError::Transaction(_)) => {
                let journal = &mut self.evm.ctx.journaled_state;
                journal.load_account_mut(deposit.from).map_err(state_error)?.data.bump_nonce();
                journal.commit_tx();
                None
            }
            Err(error) => return Err(BlockError::from_evm(error)),
        };
        self.include(tx, result, None, Some(nonce));
        Ok(())
    }

    /// Makes room for about this many more transactions, so that nothing moves while they are added.
    pub fn reserve(&mut self, transactions: usize) {
        self.transactions.reserve(transactions);
        self.receipts.reserve(transactions);
        let journal = &mut self.evm.ctx.journaled_state;
        journal.inner.state.reserve(transactions);
        journal.database.accounts.reserve(transactions);
    }

    /// Gas the block has left.
    pub fn gas_left(&self) -> u64 {
        self.header.gas_limit.saturating_sub(self.header.gas_used)
    }

    /// Number of transactions included so far.
    pub fn included(&self) -> usize {
        self.transactions.len()
    }

    /// Receipts of the transactions included so far.
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// The header so far: roots are still empty.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Remembers from now on who takes part inside transactions, for [`Block::participants`].
    pub fn record_participants(&mut self) {
        self.evm.record_participants();
    }

    /// The EVM over the block's state so far, for calls that are not part of the block.
    pub fn into_evm(self) -> StateEvm<'a, S, I> {
        self.evm
    }

    /// Ends without roots: header so far, transactions, receipts and the journal's changes.
    pub fn into_parts(mut self) -> (Header, Vec<Transaction>, Vec<Receipt>, EvmState) {
        let changes = self.evm.ctx.journaled_state.finalize();
        (self.header, self.transactions, self.receipts, changes)
    }

    /// Overwrites state outside every rule, as development networks let their users do. Blocks made
    /// so cannot be derived or proved.
    pub fn overwrite(&mut self, overwrites: &[Overwrite]) -> Result<(), BlockError<S::Error>> {
        let state_error = |StateError(error): StateError<S::Error>| BlockError::State(error);
        let journal = &mut self.evm.ctx.journaled_state;
        for overwrite in overwrites {
            let mut account = journal.load_account_mut(overwrite.address).map_err(state_error)?.data;
            account.touch();
            if let Some(balance) = overwrite.balance {
                account.set_balance(balance);
            }
            if let Some(nonce) = overwrite.nonce {
                account.set_nonce(nonce);
            }
            if let Some(code) = &overwrite.code {
                account.set_code_and_hash_slow(bytecode(code.clone()));
            }
            for (slot, value) in &overwrite.storage {
                journal.sstore(overwrite.address, *slot, *value).map_err(state_error)?;
            }
        }
        journal.commit_tx();
        Ok(())
    }

    /// Executes a transaction. `Some` reason leaves it out and changes nothing.
    pub fn transact(&mut self, tx: Transaction) -> Result<Option<Exclusion>, BlockError<S::Error>> {
        self.transact_by(tx, Self::run)
    }

    fn transact_by(
        &mut self,
        tx: Transaction,
        run: impl FnOnce(&mut Self, &Transaction, U256) -> RunResult<S::Error>,
    ) -> Result<Option<Exclusion>, BlockError<S::Error>> {
        if tx.is_deposit() {
            return Ok(Some(Exclusion::Deposit));
        }
        let left = self.gas_left();
        if tx.gas_limit() > left {
            return Ok(Some(Exclusion::BlockGas { needed: tx.gas_limit(), left }));
        }
        let l1_fee = l1_fee(&self.params, &self.origin, tx.encoded());
        match run(self, &tx, l1_fee.fee_wei) {
            Ok(result) => {
                self.include(tx, Some(result), Some(l1_fee), None);
                Ok(None)
            }
            Err(EVMError::Transaction(reason)) => Ok(Some(Exclusion::Invalid(reason))),
            Err(error) => Err(BlockError::from_evm(error)),
        }
    }

    fn run(&mut self, tx: &Transaction, l1_fee_wei: U256) -> RunResult<S::Error> {
        self.evm.ctx.tx = tx_env(tx);
        FeeHandler::new(l1_fee_wei).run(&mut self.evm)
    }

    /// Takes a transaction into the block; without a result it is a deposit that could not run.
    fn include(
        &mut self,
        tx: Transaction,
        result: Option<ExecutionResult>,
        l1_fee: Option<L1Fee>,
        deposit_nonce: Option<u64>,
    ) {
        let base_fee_wei = self.header.base_fee_per_gas.unwrap_or_default();
        let effective_gas_price_wei = tx.effective_gas_price_wei(base_fee_wei);
        let gas_used = result.as_ref().map_or(tx.gas_limit(), ExecutionResult::tx_gas_used);
        self.header.gas_used += gas_used;
        if let Some(fee) = &l1_fee {
            let gas = U256::from(gas_used);
            let tip = effective_gas_price_wei.saturating_sub(u128::from(base_fee_wei));
            self.priority_fees_wei += U256::from(tip) * gas;
            self.base_fees_wei += U256::from(base_fee_wei) * gas;
            self.l1_fees_wei += fee.fee_wei;
        }
        let index = self.transactions.len() as u32;
        self.participants.extend(self.evm.take_participants().into_iter().map(|address| (address, index)));
        self.receipts.push(Receipt {
            tx_type: tx.envelope().ty(),
            success: result.as_ref().is_some_and(ExecutionResult::is_success),
            gas_used,
            cumulative_gas_used: self.header.gas_used,
            effective_gas_price_wei,
            contract_address: created_address(&tx, result.as_ref(), deposit_nonce),
            logs: result.map(ExecutionResult::into_logs).unwrap_or_default(),
            deposit_nonce,
            l1_fee,
        });
        self.transactions.push(tx);
    }

    /// Ends the block: credits the vaults, computes roots, seals the header. `trie` must be at the
    /// parent's state root; it is advanced to the block's. After an error it is unusable.
    pub fn finish(mut self, trie: &mut StateTrie) -> Result<Block, BlockError<S::Error>> {
        for (vault, amount) in [
            (SEQUENCER_FEE_VAULT, self.priority_fees_wei),
            (BASE_FEE_VAULT, self.base_fees_wei),
            (L1_FEE_VAULT, self.l1_fees_wei),
        ] {
            if !amount.is_zero() {
                self.evm
                    .ctx
                    .journaled_state
                    .balance_incr(vault, amount)
                    .map_err(|StateError(error)| BlockError::State(error))?;
            }
        }
        let changes = self.evm.ctx.journaled_state.finalize();
        let db = &self.evm.ctx.journaled_state.database;
        let (transactions, receipts, state) = (self.transactions, self.receipts, self.state);
        let participants = self.participants;

        let state_part = || {
            let (updates, codes) = account_updates(&changes, &db.accounts, &db.slots);
            trie.apply(updates, state).map(|diff| StateDiff { codes, ..diff })
        };
        let body_part = || body_roots(&transactions, &receipts);
        let (diff, (transactions_root, receipts_root, logs_bloom)) = both(state_part, body_part);
        let diff = diff?;

        let withdrawals_root =
            match diff.accounts.binary_search_by_key(&MESSAGE_PASSER, |(address, _)| *address) {
                Ok(index) => diff.accounts[index].1.new,
                Err(_) => state.account(&MESSAGE_PASSER).map_err(BlockError::State)?,
            }
            .map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let header = Header {
            state_root: trie.root(),
            transactions_root,
            receipts_root,
            logs_bloom,
            withdrawals_root: Some(withdrawals_root),
            ..self.header
        };
        let hash = header.hash_slow();
        let output_root = output_root(&header, hash);
        Ok(Block { header, hash, transactions, receipts, diff, output_root, participants })
    }
}

type RunResult<E> = Result<ExecutionResult, TransactError<E>>;

impl<'a, S: State, I: Inspector<StateContext<'a, S>, EthInterpreter>> BlockExecutor<'a, S, I> {
    /// [`Self::transact`] under the eyes of the inspector.
    pub fn inspect(&mut self, tx: Transaction) -> Result<Option<Exclusion>, BlockError<S::Error>> {
        self.transact_by(tx, |executor, tx, l1_fee_wei| {
            executor.evm.ctx.tx = tx_env(tx);
            FeeHandler::new(l1_fee_wei).inspect_run(&mut executor.evm)
        })
    }

    /// The inspector.
    pub fn inspector(&mut self) -> &mut I {
        &mut self.evm.inspector
    }
}

fn created_address(
    tx: &Transaction,
    result: Option<&ExecutionResult>,
    deposit_nonce: Option<u64>,
) -> Option<Address> {
    if !tx.envelope().is_create() {
        return None;
    }
    // A failed creation also names the address it would have had, as geth's receipts do.
    result
        .and_then(ExecutionResult::created_address)
        .or_else(|| Some(tx.sender().create(deposit_nonce.unwrap_or_else(|| tx.envelope().nonce()))))
}

/// Two answers, side by side where there are threads.
#[cfg(feature = "std")]
fn both<A: Send, B: Send>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B + Send) -> (A, B) {
    rayon::join(first, second)
}

/// Two answers, one after the other.
#[cfg(not(feature = "std"))]
fn both<A, B>(first: impl FnOnce() -> A, second: impl FnOnce() -> B) -> (A, B) {
    (first(), second())
}
