//! Running one transaction outside of a block being built.

use std::time::{Duration, Instant};

use alloy_consensus::Header;
use alloy_primitives::{
    Address, U256,
    map::{AddressMap, AddressSet},
};
use revm::{
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    context_interface::{Cfg, ContextTr, JournalTr as _},
    handler::{EthPrecompiles, Handler, PrecompileProvider},
    inspector::{Inspector, InspectorHandler},
    interpreter::{CallInputs, InterpreterResult, interpreter::EthInterpreter},
    state::EvmState,
};
use trex_stf::{
    evm::{FeeHandler, StateContext, StateError, block_env, config, evm, evm_with_precompiles},
    params::NetworkParams,
    precompiles::precompiles,
    state::State,
};

use super::{
    error::{INTERNAL, RpcError, halt_message, invalid_message},
    limits::Limits,
    watch::{Bounds, LastStep, Recording, TIMED_OUT, TOO_LARGE, Watch},
};

/// The chain's precompiles, some of them answering at another address (`movePrecompileToAddress`).
#[derive(Clone, Debug)]
pub struct MovedPrecompiles {
    base: EthPrecompiles,
    /// From the new address to the one whose code runs.
    moved: AddressMap<Address>,
    addresses: AddressSet,
}

impl Default for MovedPrecompiles {
    fn default() -> Self {
        let base = precompiles();
        Self { addresses: base.warm_addresses().clone(), base, moved: AddressMap::default() }
    }
}

impl MovedPrecompiles {
    /// Whether a precompile answers at the address.
    pub fn contains(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    /// Lets code put at the address run instead.
    pub fn remove(&mut self, address: &Address) {
        self.addresses.remove(address);
    }

    /// Moves what answers at `from`; code put there runs from then on.
    pub fn shift(&mut self, from: Address, to: Address) {
        let origin = self.moved.remove(&from).unwrap_or(from);
        self.addresses.remove(&from);
        self.addresses.insert(to);
        self.moved.insert(to, origin);
    }
}

impl<CTX: ContextTr> PrecompileProvider<CTX> for MovedPrecompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, _spec: <CTX::Cfg as Cfg>::Spec) -> bool {
        false
    }

    fn run(&mut self, context: &mut CTX, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        if !self.addresses.contains(&inputs.bytecode_address) {
            return Ok(None);
        }
        match self.moved.get(&inputs.bytecode_address) {
            None => PrecompileProvider::<CTX>::run(&mut self.base, context, inputs),
            Some(origin) => {
                let mut inputs = inputs.clone();
                inputs.bytecode_address = *origin;
                PrecompileProvider::<CTX>::run(&mut self.base, context, &inputs)
            }
        }
    }

    fn warm_addresses(&self) -> &AddressSet {
        &self.addresses
    }
}

/// Where a transaction runs: rules and block.
#[derive(Clone, Debug)]
pub struct Env {
    /// Rules.
    pub cfg: CfgEnv,
    /// Facts of the block.
    pub block: BlockEnv,
    /// Precompiles.
    pub precompiles: MovedPrecompiles,
}

impl Env {
    /// As inside the block with this header.
    pub fn of_block(params: &NetworkParams, header: &Header) -> Self {
        Self { cfg: config(params), block: block_env(header), precompiles: MovedPrecompiles::default() }
    }

    /// Relaxed for calls: whoever sends, whatever nonce, any amount of gas.
    pub fn for_call(mut self) -> Self {
        self.cfg.disable_nonce_check = true;
        self.cfg.disable_eip3607 = true;
        self.cfg.disable_block_gas_limit = true;
        self.cfg.tx_gas_limit_cap = Some(u64::MAX);
        self
    }
}

/// What a run gave.
#[derive(Debug)]
pub struct Run<I> {
    /// Its outcome.
    pub result: ExecutionResult,
    /// What it changed.
    pub changes: EvmState,
    /// The inspector.
    pub inspector: I,
    /// The last instruction.
    pub last: LastStep,
    /// Estimated bytes of JSON recorded.
    pub recorded: usize,
}

impl<I> Run<I> {
    /// Why it failed, in geth's words; `None` if it succeeded.
    pub fn failure(&self) -> Option<String> {
        match &self.result {
            ExecutionResult::Success { .. } => None,
            ExecutionResult::Revert { .. } => Some("execution reverted".into()),
            ExecutionResult::Halt { reason, .. } => Some(halt_message(reason, &self.last)),
        }
    }
}

/// Why a transaction did not run.
#[derive(Clone, Debug)]
pub enum RunError {
    /// It breaks a rule.
    Invalid(InvalidTransaction, String),
    /// A limit or a fault.
    Other(RpcError),
}

impl RunError {
    /// As geth words it for a call with `gas`.
    pub fn of_call(self, gas: u64) -> RpcError {
        match self {
            Self::Invalid(_, message) => RpcError::server(format!("err: {message} (supplied gas {gas})")),
            Self::Other(error) => error,
        }
    }
}

/// Deadline and size of the work for one request.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    deadline: Instant,
    timeout: Duration,
    /// What set the time: a limit, or the request itself.
    limit_name: Option<&'static str>,
    max_bytes: usize,
}

impl Budget {
    /// For calls.
    pub fn of_call(limits: &Limits) -> Self {
        Self::new(limits.call_timeout, "call_timeout_ms", limits.response_bytes)
    }

    /// For traces.
    pub fn of_trace(limits: &Limits) -> Self {
        Self::new(limits.trace_timeout, "trace_timeout_ms", limits.response_bytes)
    }

    fn new(timeout: Duration, limit_name: &'static str, max_bytes: usize) -> Self {
        let deadline = Instant::now() + timeout;
        Self { deadline, timeout, limit_name: Some(limit_name), max_bytes }
    }

    /// At most this much time from now on, as a request wishes.
    pub fn within(self, timeout: Option<Duration>) -> Self {
        match timeout.map(|timeout| (timeout, Instant::now() + timeout)) {
            Some((timeout, deadline)) if deadline < self.deadline => {
                Self { deadline, timeout, limit_name: None, ..self }
            }
            _ => self,
        }
    }

    /// Whether there is time left.
    pub fn check(&self) -> Result<(), RpcError> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(self.timed_out()) }
    }

    /// Leaves that many bytes less for what follows.
    pub fn spend(&mut self, bytes: usize) -> Result<(), RpcError> {
        match self.max_bytes.checked_sub(bytes) {
            Some(left) => self.max_bytes = left,
            None => return Err(self.too_large()),
        }
        Ok(())
    }

    fn timed_out(&self) -> RpcError {
        let Some(limit) = self.limit_name else { return RpcError::server("execution timeout") };
        RpcError::server(format!(
            "execution aborted (timeout = {}ms): limit {limit}",
            self.timeout.as_millis()
        ))
    }

    fn too_large(&self) -> RpcError {
        RpcError::limit("response_bytes", self.max_bytes, "the answer would be too large")
    }

    fn bounds(&self, recording: Recording) -> Bounds {
        Bounds { deadline: self.deadline, recording, max_bytes: self.max_bytes }
    }
}

/// Runs `tx` over `state` under the eyes of `inspector`, by the EVM that executes blocks.
pub fn run<'a, S: State, I: Inspector<StateContext<'a, S>, EthInterpreter>>(
    state: &'a S,
    env: &Env,
    tx: TxEnv,
    l1_fee_wei: U256,
    inspector: I,
    recording: Recording,
    budget: &Budget,
) -> Result<Run<I>, RunError> {
    let watch = Watch::new(inspector, budget.bounds(recording));
    let mut evm =
        evm_with_precompiles(env.cfg.clone(), env.block.clone(), state, watch, env.precompiles.clone());
    evm.ctx.tx = tx;
    let outcome: Result<ExecutionResult, EVMError<StateError<S::Error>, InvalidTransaction>> =
        FeeHandler::new(l1_fee_wei).inspect_run(&mut evm);
    match outcome {
        Ok(result) => Ok(Run {
            result,
            changes: evm.ctx.journaled_state.finalize(),
            last: evm.inspector.last,
            recorded: evm.inspector.recorded,
            inspector: evm.into_inspector().inner,
        }),
        Err(EVMError::Transaction(reason)) => {
            let message = invalid_message(&reason, &evm.ctx.tx, env.block.basefee);
            Err(RunError::Invalid(reason, message))
        }
        Err(EVMError::Custom(why)) if why == TIMED_OUT => Err(RunError::Other(budget.timed_out())),
        Err(EVMError::Custom(why)) if why == TOO_LARGE => Err(RunError::Other(budget.too_large())),
        Err(error) => Err(RunError::Other(RpcError::new(INTERNAL, error.to_string()))),
    }
}

/// Runs transactions one after the other without watching them; their changes are put together.
pub fn run_all<S: State>(
    state: &S,
    env: &Env,
    steps: impl IntoIterator<Item = (TxEnv, U256)>,
    budget: &Budget,
) -> Result<EvmState, RpcError> {
    let mut evm = evm(env.cfg.clone(), env.block.clone(), state, ());
    for (tx, l1_fee_wei) in steps {
        budget.check()?;
        evm.ctx.tx = tx;
        let outcome: Result<ExecutionResult, EVMError<StateError<S::Error>, InvalidTransaction>> =
            FeeHandler::new(l1_fee_wei).run(&mut evm);
        outcome.map_err(|error| RpcError::new(INTERNAL, error.to_string()))?;
    }
    Ok(evm.ctx.journaled_state.finalize())
}
