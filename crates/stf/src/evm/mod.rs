//! The EVM of this chain: revm over a [`State`], with our precompiles and our fee rules.

mod db;

use alloc::vec::Vec;
use core::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use alloy_consensus::Transaction as _;
use alloy_eips::{eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS};
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use op_alloy_consensus::OpTxEnvelope;
use revm::{
    Context, Journal, SystemCallEvm,
    context::{
        BlockEnv, CfgEnv, Evm, FrameStack, TxEnv,
        either::Either,
        result::{EVMError, HaltReason, InvalidTransaction},
    },
    context_interface::{
        ContextTr, JournalTr, Transaction as _, block::BlobExcessGasAndPrice, context::ContextError,
        journaled_state::account::JournaledAccountTr,
    },
    handler::{
        EthFrame, EthPrecompiles, EvmTr, EvmTrError, FrameInitOrResult, FrameResult, FrameTr, Handler,
        ItemOrResult, PrecompileProvider, evm::FrameInitResult, instructions::EthInstructions, pre_execution,
    },
    inspector::{Inspector, InspectorEvmTr, InspectorHandler},
    interpreter::{
        CreateInputs, CreateOutcome, FrameInput, Gas, InitialAndFloorGas, InstructionResult,
        InterpreterResult, interpreter::EthInterpreter, interpreter_action::FrameInit,
    },
    primitives::{constants::CALL_STACK_LIMIT, hardfork::SpecId},
    state::EvmState,
};

use crate::{params::NetworkParams, precompiles::precompiles, state::State, transaction::Transaction};

pub use db::{StateDb, StateError, bytecode};

/// Gas limit of one transaction, deposits included (EIP-7825).
pub const TX_GAS_LIMIT_CAP: u64 = 1 << 24;

/// revm's context over a [`State`].
pub type StateContext<'a, S> = Context<BlockEnv, TxEnv, CfgEnv, StateDb<'a, S>, Journal<StateDb<'a, S>>, ()>;

/// revm's own EVM over a [`State`], with an inspector `I` and precompiles `P`.
pub type PlainEvm<'a, S, I = (), P = EthPrecompiles> = Evm<
    StateContext<'a, S>,
    I,
    EthInstructions<EthInterpreter, StateContext<'a, S>>,
    P,
    EthFrame<EthInterpreter>,
>;

/// The EVM over a [`State`], watched by an inspector `I` (`()` for none).
///
/// revm's with one rule more: a contract is not created over an account that has storage
/// (EIP-7610), which revm cannot see because its accounts carry no storage root.
#[derive(Debug)]
pub struct StateEvm<'a, S: State, I = (), P = EthPrecompiles> {
    evm: PlainEvm<'a, S, I, P>,
    participants: Option<Participants>,
}

/// Addresses seen; repetitions are thrown out now and then, so that a loop of calls does not fill memory.
#[derive(Debug, Default)]
struct Participants {
    seen: Vec<Address>,
    /// Length at which repetitions are thrown out.
    tidy_at: usize,
}

impl Participants {
    /// Least length at which repetitions are thrown out.
    const TIDY: usize = 4096;

    fn add<const N: usize>(&mut self, parties: [Address; N]) {
        self.seen.extend(parties);
        if self.seen.len() >= self.tidy_at.max(Self::TIDY) {
            self.tidy();
            self.tidy_at = 2 * self.seen.len();
        }
    }

    fn tidy(&mut self) {
        self.seen.sort_unstable();
        self.seen.dedup();
    }

    fn take(&mut self) -> Vec<Address> {
        self.tidy();
        self.tidy_at = 0;
        core::mem::take(&mut self.seen)
    }
}

impl<'a, S: State, I, P> Deref for StateEvm<'a, S, I, P> {
    type Target = PlainEvm<'a, S, I, P>;

    fn deref(&self) -> &Self::Target {
        &self.evm
    }
}

impl<S: State, I, P> DerefMut for StateEvm<'_, S, I, P> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.evm
    }
}

/// Precompiles that an EVM over a [`State`] can have.
pub trait StatePrecompiles<'a, S: State + 'a>:
    PrecompileProvider<StateContext<'a, S>, Output = InterpreterResult>
{
}

impl<'a, S: State + 'a, P> StatePrecompiles<'a, S> for P where
    P: PrecompileProvider<StateContext<'a, S>, Output = InterpreterResult>
{
}

type FrameError<E> = ContextError<StateError<E>>;

impl<'a, S: State, I, P: StatePrecompiles<'a, S>> StateEvm<'a, S, I, P> {
    /// Remembers from now on whom transactions call inside, for [`Self::take_participants`].
    pub fn record_participants(&mut self) {
        self.participants = Some(Participants::default());
    }

    /// Who called, was called, lent code or was created inside the transactions run since the last
    /// taking, those of failed calls too; precompiles and the parties of the transactions themselves
    /// are not among them. Ascending, each once.
    pub fn take_participants(&mut self) -> Vec<Address> {
        self.participants.as_mut().map(Participants::take).unwrap_or_default()
    }

    /// The inspector, at the end.
    pub fn into_inspector(self) -> I {
        self.evm.inspector
    }

    /// Notes the parties of a frame that is not a transaction's own.
    fn note(&mut self, frame: &FrameInit) -> Result<(), FrameError<S::Error>> {
        let Some(parties) = self.participants.as_mut().filter(|_| frame.depth > 0) else { return Ok(()) };
        match &frame.frame_input {
            FrameInput::Call(inputs) => {
                if !self.evm.precompiles.warm_addresses().contains(&inputs.bytecode_address) {
                    parties.add([inputs.caller, inputs.target_address, inputs.bytecode_address]);
                }
            }
            FrameInput::Create(inputs) => {
                let creator = self.evm.ctx.journaled_state.load_account(inputs.caller())?.data;
                parties.add([inputs.caller(), inputs.created_address(creator.info.nonce)]);
            }
            FrameInput::Empty => {}
        }
        Ok(())
    }

    /// Whether this creation would land on an account that is new but for its storage (EIP-7610, ST-005);
    /// the creator's nonce is then spent, as in any collision. What fails for another reason is
    /// left to revm.
    fn collides_with_storage(
        &mut self,
        inputs: &CreateInputs,
        depth: usize,
    ) -> Result<bool, FrameError<S::Error>> {
        let journal = &mut self.evm.ctx.journaled_state;
        let creator = journal.load_account(inputs.caller())?.data;
        let nonce = creator.info.nonce;
        if depth > CALL_STACK_LIMIT as usize || creator.info.balance < inputs.value() || nonce == u64::MAX {
            return Ok(false);
        }
        let address = inputs.created_address(nonce);
        let target = journal.load_account(address)?.data;
        if target.info.nonce != 0 || target.info.code_hash != KECCAK256_EMPTY || target.is_selfdestructed() {
            return Ok(false);
        }
        let stored =
            journal.database.state.account(&address).map_err(|error| ContextError::Db(StateError(error)))?;
        if stored.is_none_or(|account| account.storage_root == EMPTY_ROOT_HASH) {
            return Ok(false);
        }
        journal.load_account_mut(inputs.caller())?.data.bump_nonce();
        Ok(true)
    }
}

impl<'a, S: State, I, P: StatePrecompiles<'a, S>> EvmTr for StateEvm<'a, S, I, P> {
    type Context = StateContext<'a, S>;
    type Instructions = EthInstructions<EthInterpreter, StateContext<'a, S>>;
    type Precompiles = P;
    type Frame = EthFrame<EthInterpreter>;

    fn all(&self) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Self::Frame>) {
        self.evm.all()
    }

    fn all_mut(
        &mut self,
    ) -> (&mut Self::Context, &mut Self::Instructions, &mut Self::Precompiles, &mut FrameStack<Self::Frame>)
    {
        self.evm.all_mut()
    }

    fn frame_init(
        &mut self,
        frame: FrameInit,
    ) -> Result<FrameInitResult<'_, Self::Frame>, FrameError<S::Error>> {
        self.note(&frame)?;
        if let FrameInput::Create(inputs) = &frame.frame_input
            && self.collides_with_storage(inputs, frame.depth)?
        {
            let gas = Gas::new_with_regular_gas_and_reservoir(inputs.gas_limit(), inputs.reservoir());
            let output = Default::default();
            return Ok(ItemOrResult::Result(FrameResult::Create(CreateOutcome {
                result: InterpreterResult { result: InstructionResult::CreateCollision, gas, output },
                address: None,
                charged_create_state_gas: inputs.charged_create_state_gas(),
            })));
        }
        self.evm.frame_init(frame)
    }

    fn frame_run(&mut self) -> Result<FrameInitOrResult<Self::Frame>, FrameError<S::Error>> {
        self.evm.frame_run()
    }

    fn frame_return_result(
        &mut self,
        result: FrameResult,
    ) -> Result<Option<FrameResult>, FrameError<S::Error>> {
        self.evm.frame_return_result(result)
    }
}

impl<'a, S, I, P> InspectorEvmTr for StateEvm<'a, S, I, P>
where
    S: State,
    I: Inspector<StateContext<'a, S>, EthInterpreter>,
    P: StatePrecompiles<'a, S>,
{
    type Inspector = I;

    fn all_inspector(
        &self,
    ) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<Self::Frame>, &I) {
        self.evm.all_inspector()
    }

    fn all_mut_inspector(
        &mut self,
    ) -> (
        &mut Self::Context,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<Self::Frame>,
        &mut I,
    ) {
        self.evm.all_mut_inspector()
    }
}

/// Error of one transaction in the EVM.
pub type TransactError<E> = EVMError<StateError<E>, InvalidTransaction>;

/// Configuration of the chain's EVM: Osaka, the network's chain id.
pub fn config(params: &NetworkParams) -> CfgEnv {
    CfgEnv::new_with_spec(SpecId::OSAKA).with_mainnet_gas_params().with_chain_id(params.chain_id)
}

/// Facts of a block that contracts can see.
pub fn block_env(header: &alloy_consensus::Header) -> BlockEnv {
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: U256::ZERO,
        prevrandao: Some(header.mix_hash),
        // No blob transactions here: the blob base fee stays at its minimum of 1 wei.
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice { excess_blob_gas: 0, blob_gasprice: 1 }),
        slot_num: 0,
    }
}

/// Builds the chain's EVM.
pub fn evm<'a, S: State, I>(
    config: CfgEnv,
    block: BlockEnv,
    state: &'a S,
    inspector: I,
) -> StateEvm<'a, S, I> {
    evm_with_precompiles(config, block, state, inspector, precompiles())
}

/// Builds an EVM by the rules of `config`'s fork with precompiles other than the chain's.
pub fn evm_with_precompiles<'a, S: State, I, P: StatePrecompiles<'a, S>>(
    config: CfgEnv,
    block: BlockEnv,
    state: &'a S,
    inspector: I,
    precompiles: P,
) -> StateEvm<'a, S, I, P> {
    let spec = config.spec;
    let mut context = Context::new(StateDb::new(state), spec);
    context.cfg = config;
    context.block = block;
    let evm = Evm {
        ctx: context,
        inspector,
        instruction: EthInstructions::new_mainnet_with_spec(spec),
        precompiles,
        frame_stack: FrameStack::new_prealloc(8),
    };
    StateEvm { evm, participants: None }
}

/// EIP-4788 and EIP-2935 at the start of a block: the contracts keep the beacon root and the parent's
/// hash. With several blocks a second the last one of a second stays in EIP-4788's ring (STF-008).
pub fn system_calls<'a, S: State, I, P: StatePrecompiles<'a, S>>(
    evm: &mut StateEvm<'a, S, I, P>,
    header: &alloy_consensus::Header,
) -> Result<(), TransactError<S::Error>> {
    let beacon_root = header.parent_beacon_block_root.unwrap_or_default();
    for (address, argument) in
        [(BEACON_ROOTS_ADDRESS, beacon_root), (HISTORY_STORAGE_ADDRESS, header.parent_hash)]
    {
        evm.system_call_one(address, Bytes::copy_from_slice(argument.as_slice()))?;
    }
    Ok(())
}

/// What revm needs to know of a transaction.
pub fn tx_env(tx: &Transaction) -> TxEnv {
    let envelope = tx.envelope();
    let is_deposit = tx.is_deposit();
    TxEnv {
        tx_type: if is_deposit { 0 } else { alloy_consensus::Typed2718::ty(envelope) },
        caller: tx.sender(),
        gas_limit: envelope.gas_limit(),
        gas_price: if is_deposit { 0 } else { envelope.max_fee_per_gas() },
        kind: envelope.kind(),
        value: envelope.value(),
        data: envelope.input().clone(),
        nonce: envelope.nonce(),
        chain_id: envelope.chain_id(),
        access_list: envelope.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: if is_deposit { None } else { envelope.max_priority_fee_per_gas() },
        blob_hashes: Default::default(),
        max_fee_per_blob_gas: 0,
        authorization_list: match envelope {
            OpTxEnvelope::Eip7702(signed) => {
                signed.tx().authorization_list.iter().cloned().map(Either::Left).collect()
            }
            _ => Default::default(),
        },
    }
}

/// How one transaction is run: Ethereum's way, with the chain's fee rules on top.
///
/// The L1 data fee is taken from the sender before execution; priority fees go to nobody here,
/// the block executor credits the vaults when the block ends (FEE-004).
#[derive(Debug)]
pub struct FeeHandler<EVM, ERROR> {
    /// L1 data fee of the transaction, wei.
    pub l1_fee_wei: U256,
    marker: PhantomData<(EVM, ERROR)>,
}

impl<EVM, ERROR> FeeHandler<EVM, ERROR> {
    /// A handler for a transaction whose L1 data fee is `l1_fee_wei`.
    pub fn new(l1_fee_wei: U256) -> Self {
        Self { l1_fee_wei, marker: PhantomData }
    }
}

impl<EVM, ERROR> Handler for FeeHandler<EVM, ERROR>
where
    EVM: EvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame: FrameTr<FrameResult = FrameResult, FrameInit = FrameInit>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type Evm = EVM;
    type Error = ERROR;
    type HaltReason = HaltReason;

    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut EVM,
        _init_and_floor_gas: &mut InitialAndFloorGas,
    ) -> Result<(), ERROR> {
        if !self.l1_fee_wei.is_zero() {
            let (tx, journal) = evm.ctx().tx_journal_mut();
            let caller = tx.caller();
            let mut caller = journal.load_account_with_code_mut(caller)?.data;
            let balance = *caller.balance();
            let Some(rest) = balance.checked_sub(self.l1_fee_wei) else {
                return Err(ERROR::from(InvalidTransaction::LackOfFundForMaxFee {
                    fee: self.l1_fee_wei.into(),
                    balance: balance.into(),
                }));
            };
            caller.set_balance(rest);
        }
        pre_execution::validate_against_state_and_deduct_caller(evm.ctx())
    }

    fn reward_beneficiary(&self, _evm: &mut EVM, _result: &mut FrameResult) -> Result<(), ERROR> {
        Ok(())
    }
}

impl<EVM, ERROR> InspectorHandler for FeeHandler<EVM, ERROR>
where
    EVM: InspectorEvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame = EthFrame<EthInterpreter>,
            Inspector: Inspector<<EVM as EvmTr>::Context, EthInterpreter>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type IT = EthInterpreter;
}
