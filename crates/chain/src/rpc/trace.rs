//! `debug_trace*`: how transactions and calls ran.

use std::time::Duration;

use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_trace::geth::{
    CallFrame, GethDebugBuiltInTracerType, GethDebugTracerType, GethDebugTracingCallOptions,
    GethDebugTracingOptions, GethTrace,
};
use revm::{
    context::{TxEnv, result::ResultAndState},
    inspector::Inspector,
    interpreter::interpreter::EthInterpreter,
};
use revm_inspectors::tracing::{DebugInspector, TransactionContext};
use trex_stf::{evm::StateContext, state::State};

use super::{
    context::{FullBlock, Rpc, not_found},
    duration,
    error::{INTERNAL, RpcError},
    exec::{Budget, Env, Run, RunError, run},
    json::{self, Answer, Object},
    overlay::{Before, Overlay},
    params::{self, BlockId, Params},
    reader::{Reader, TxPlace},
    replay::Replay,
    request::{Stage, tx_env, waive_base_fee},
    watch::Recording,
};
use crate::block_rlp;

fn fault(error: impl std::fmt::Display) -> RpcError {
    RpcError::new(INTERNAL, error.to_string())
}

/// A tracer made from a request's options.
struct Tracer {
    options: GethDebugTracingOptions,
    /// Time for one transaction, if the request sets it.
    timeout: Option<Duration>,
}

impl Tracer {
    fn new(mut options: GethDebugTracingOptions) -> Result<Self, RpcError> {
        settle_mux(&mut options);
        let timeout = options.timeout.as_deref().map(duration::parse).transpose();
        Ok(Self { timeout: timeout.map_err(RpcError::server)?, options })
    }

    fn inspector(&self) -> Result<DebugInspector, RpcError> {
        DebugInspector::new(self.options.clone()).map_err(|error| RpcError::server(error.to_string()))
    }

    fn recording(&self) -> Recording {
        use GethDebugBuiltInTracerType as BuiltIn;
        let config = &self.options.config;
        match self.options.tracer.as_ref().filter(|tracer| !tracer.as_str().is_empty()) {
            None => Recording::Steps {
                stack: !config.disable_stack.unwrap_or_default(),
                memory: config.is_memory_enabled(),
                return_data: config.is_return_data_enabled(),
                limit: config.limit.unwrap_or_default(),
            },
            Some(GethDebugTracerType::BuiltInTracer(
                BuiltIn::CallTracer | BuiltIn::FlatCallTracer | BuiltIn::MuxTracer,
            )) => Recording::Calls,
            Some(GethDebugTracerType::BuiltInTracer(BuiltIn::Erc7562Tracer)) => {
                Recording::Steps { stack: true, memory: true, return_data: false, limit: 0 }
            }
            Some(_) => Recording::Nothing,
        }
    }
}

/// Lets "no settings" and empty ones mean the same for each tracer of a `muxTracer`, as geth reads them.
fn settle_mux(options: &mut GethDebugTracingOptions) {
    use GethDebugBuiltInTracerType as BuiltIn;
    if options.tracer != Some(GethDebugTracerType::BuiltInTracer(BuiltIn::MuxTracer)) {
        return;
    }
    let Some(tracers) = options.tracer_config.0.as_object_mut() else { return };
    for (name, settings) in tracers {
        let takes_none = matches!(name.as_str(), "4byteTracer" | "noopTracer");
        let is_empty = settings.is_null() || settings.as_object().is_some_and(serde_json::Map::is_empty);
        if is_empty {
            *settings = if takes_none { serde_json::Value::Null } else { serde_json::json!({}) };
        }
    }
}

/// JSON of what a tracer saw of a run over `before`.
fn frame<S: State>(
    mut run: Run<DebugInspector>,
    context: TransactionContext,
    tx: &TxEnv,
    env: &Env,
    before: &S,
) -> Result<Vec<u8>, RpcError> {
    let outcome = ResultAndState::new(run.result, run.changes);
    let mut trace: GethTrace = run
        .inspector
        .get_result(Some(context), tx, &env.block, &outcome, &mut Before(before))
        .map_err(fault)?;
    if let GethTrace::CallTracer(call) = &mut trace {
        drop_failed_logs(call, false);
    }
    json::value(&trace)
}

/// Takes the logs out of calls that failed, or that a call around them took back with it, as geth does.
fn drop_failed_logs(call: &mut CallFrame, failed: bool) {
    let failed = failed || call.error.is_some();
    if failed {
        call.logs.clear();
    }
    call.calls.iter_mut().for_each(|inner| drop_failed_logs(inner, failed));
}

/// A block about to be executed again up to a transaction of it.
pub struct Traced {
    block: FullBlock,
    overwrites: Vec<trex_stf::block::Overwrite>,
}

impl Traced {
    /// Loads a block that has a parent.
    pub fn load<R: Reader>(rpc: &Rpc<'_, R>, id: BlockId) -> Result<Option<Self>, RpcError> {
        let Some(header) = rpc.header(id)? else { return Ok(None) };
        if header.number == 0 {
            return Err(RpcError::server("genesis is not traceable"));
        }
        let block = rpc.block_of(&header, true)?;
        Ok(Some(Self { block, overwrites: rpc.reader.overwrites(header.number)? }))
    }

    /// State before the block.
    pub fn parent_state<R: Reader>(&self, rpc: &Rpc<'_, R>) -> Result<R::State, RpcError> {
        Ok(rpc.reader.kept_state(self.block.header.number - 1)?)
    }

    /// Opens the block again.
    pub fn replay<'a, S: State>(
        &self,
        rpc: &Rpc<'_, impl Reader>,
        parent_state: &'a S,
    ) -> Result<Replay<'a, '_, S>, RpcError> {
        Replay::new(rpc.reader.params(), &self.block, &self.overwrites, parent_state)
    }

    /// Number of transactions.
    pub fn len(&self) -> usize {
        self.block.transactions.len()
    }

    /// Whether there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.block.transactions.is_empty()
    }

    fn context(&self, index: usize) -> TransactionContext {
        TransactionContext {
            block_hash: self.block.hash,
            tx_index: Some(index),
            tx_hash: self.block.transactions.get(index).map(|tx| tx.hash()),
        }
    }
}

/// Runs one transaction of the chain again under the eyes of `inspector`.
pub fn inspect_at<R, I>(
    rpc: &Rpc<'_, R>,
    (number, index): TxPlace,
    inspector: I,
    recording: Recording,
) -> Result<Option<Run<I>>, RpcError>
where
    R: Reader,
    I: for<'s, 'a> Inspector<StateContext<'s, Overlay<'a, R::State>>, EthInterpreter>,
{
    let Some(traced) = Traced::load(rpc, BlockId::Number(number))? else { return Ok(None) };
    let budget = Budget::of_trace(rpc.limits);
    let parent = traced.parent_state(rpc)?;
    let mut replay = traced.replay(rpc, &parent)?;
    replay.advance(index as usize, &budget)?;
    replay.prepare()?;
    replay.peek(inspector, recording, &budget)
}

/// What is said of a deposit that is in its block but could not begin to run.
const NOT_RUN: &str = "the deposit could not run";

/// JSON of what the tracer saw of a transaction; `None` for a deposit that could not run.
fn trace_at<S: State>(
    traced: &Traced,
    replay: &mut Replay<'_, '_, S>,
    index: usize,
    tracer: &Tracer,
    budget: &mut Budget,
) -> Result<Option<Vec<u8>>, RpcError> {
    replay.advance(index, budget)?;
    replay.prepare()?;
    let tx = replay.upcoming_env().ok_or_else(|| RpcError::server("transaction not found"))?;
    let run = replay.peek(tracer.inspector()?, tracer.recording(), &budget.within(tracer.timeout))?;
    let Some(run) = run else {
        replay.pass(None)?;
        return Ok(None);
    };
    let changes = run.changes.clone();
    let json = frame(run, traced.context(index), &tx, &replay.env, &replay.state)?;
    budget.spend(json.len())?;
    replay.pass(Some(&changes))?;
    Ok(Some(json))
}

fn options<T: serde::de::DeserializeOwned + Default>(
    params: &Params<'_>,
    index: usize,
) -> Result<T, RpcError> {
    Ok(params.optional(index, params::object)?.unwrap_or_default())
}

/// `debug_traceTransaction(hash, options?)`.
pub fn debug_trace_transaction<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let hash = params.required(0, params::hash)?;
    let tracer = Tracer::new(options(params, 1)?)?;
    let missing = || RpcError::server("transaction not found");
    let (number, index) = rpc.reader.locate(&hash)?.ok_or_else(missing)?;
    let traced = Traced::load(rpc, BlockId::Number(number))?.ok_or_else(missing)?;
    let parent = traced.parent_state(rpc)?;
    let mut replay = traced.replay(rpc, &parent)?;
    let mut budget = Budget::of_trace(rpc.limits);
    trace_at(&traced, &mut replay, index as usize, &tracer, &mut budget)?
        .ok_or_else(|| RpcError::server(NOT_RUN))
}

fn trace_block<R: Reader>(rpc: &Rpc<'_, R>, id: BlockId, params: &Params<'_>) -> Answer {
    let tracer = Tracer::new(options(params, 1)?)?;
    if id == BlockId::Pending {
        return Err(RpcError::server("tracing on top of pending is not supported"));
    }
    let traced = Traced::load(rpc, id)?.ok_or_else(|| match id {
        BlockId::Number(number) => RpcError::server(format!("block #{number} not found")),
        BlockId::Hash(hash) => RpcError::server(format!("block {hash} not found")),
        _ => not_found(id),
    })?;
    let parent = traced.parent_state(rpc)?;
    let mut replay = traced.replay(rpc, &parent)?;
    let mut budget = Budget::of_trace(rpc.limits);
    let mut out = vec![b'['];
    for index in 0..traced.len() {
        if index > 0 {
            out.push(b',');
        }
        let json = trace_at(&traced, &mut replay, index, &tracer, &mut budget)?;
        let mut object = Object::open(&mut out);
        object.hex("txHash", traced.block.transactions[index].hash());
        match json {
            Some(json) => object.raw("result", &json),
            // As geth reports one transaction of a block that it cannot trace.
            None => object.text("error", NOT_RUN),
        }
        object.close();
    }
    out.push(b']');
    Ok(out)
}

/// `debug_traceBlock(rlp, options?)`: a block of this chain by its RLP.
pub fn debug_trace_block<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let rlp = params.required(0, params::bytes)?;
    let malformed = |why: String| RpcError::server(format!("could not decode block: {why}"));
    let mut rest = &rlp[..];
    let block = block_rlp::decode(&mut rest).map_err(|error| malformed(error.to_string()))?;
    let block = block.filter(|_| rest.is_empty()).ok_or_else(|| malformed("it is not whole".into()))?;
    trace_block(rpc, BlockId::Hash(block.header.hash_slow()), params)
}

/// `debug_traceBlockByNumber(block, options?)`.
pub fn debug_trace_block_by_number<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let id = params.required(0, params::block_number)?;
    trace_block(rpc, id, params)
}

/// `debug_traceBlockByHash(hash, options?)`.
pub fn debug_trace_block_by_hash<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let id = BlockId::Hash(params.required(0, params::hash)?);
    trace_block(rpc, id, params)
}

/// `debug_traceCall(request, block, options?)`; `txIndex` runs it inside the block.
pub fn debug_trace_call<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let request: TransactionRequest = params.object(0)?;
    let id = params.optional(1, params::block_id)?.unwrap_or(BlockId::Latest);
    let options: GethDebugTracingCallOptions = options(params, 2)?;
    let budget = Budget::of_trace(rpc.limits);
    let Some(index) = options.tx_index else {
        let snapshot = rpc.snapshot(id)?;
        let stage = Stage { state: snapshot.overlay(), env: rpc.env(&snapshot.header).for_call() };
        return trace_call(rpc, stage, &request, options, &budget);
    };
    let traced = Traced::load(rpc, id)?.ok_or_else(|| not_found(id))?;
    let parent = traced.parent_state(rpc)?;
    let mut replay = traced.replay(rpc, &parent)?;
    replay.advance(usize::try_from(index).unwrap_or(usize::MAX), &budget)?;
    let stage = Stage { state: replay.state, env: replay.env.for_call() };
    trace_call(rpc, stage, &request, options, &budget)
}

fn trace_call<R: Reader>(
    rpc: &Rpc<'_, R>,
    mut stage: Stage<'_, R::State>,
    request: &TransactionRequest,
    options: GethDebugTracingCallOptions,
    budget: &Budget,
) -> Answer {
    if let Some(overrides) = &options.block_overrides {
        stage.override_block(overrides)?;
    }
    if let Some(overrides) = &options.state_overrides {
        stage.override_state(overrides)?;
    }
    let tx = tx_env(request, rpc.reader.params().chain_id, rpc.limits.call_gas)?;
    waive_base_fee(&mut stage.env, &tx);
    let tracer = Tracer::new(options.tracing_options)?;
    let run = run(
        &stage.state,
        &stage.env,
        tx.clone(),
        U256::ZERO,
        tracer.inspector()?,
        tracer.recording(),
        &budget.within(tracer.timeout),
    )
    .map_err(|error| match error {
        RunError::Invalid(_, message) => RpcError::server(format!("tracing failed: {message}")),
        RunError::Other(error) => error,
    })?;
    rpc.bounded(frame(run, TransactionContext::default(), &tx, &stage.env, &stage.state)?)
}

/// Most slots of one account that are sorted for an answer.
const MAX_RANGE_SLOTS: usize = 200_000;

/// `debug_storageRangeAt(blockHash, txIndex, address, start, limit)`: slots by the order of their hashes.
pub fn debug_storage_range_at<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let hash = params.required(0, params::hash)?;
    let index = params.required(1, params::number)?;
    let address = params.required(2, params::address)?;
    let start: B256 = params.required(3, params::slot)?.into();
    let limit = params.required(4, params::number)?;
    let traced = Traced::load(rpc, BlockId::Hash(hash))?
        .ok_or_else(|| RpcError::server(format!("block {hash} not found")))?;
    let parent = traced.parent_state(rpc)?;
    let mut replay = traced.replay(rpc, &parent)?;
    replay.advance(usize::try_from(index).unwrap_or(usize::MAX), &Budget::of_trace(rpc.limits))?;

    let mut slots = std::collections::BTreeMap::new();
    let mut full = false;
    rpc.reader.slots(traced.block.header.number - 1, &address, &mut |slot, value| {
        slots.insert(slot, value);
        full = slots.len() > MAX_RANGE_SLOTS;
        !full
    })?;
    if full {
        return Err(RpcError::limit(
            "storage_range_slots",
            MAX_RANGE_SLOTS,
            "the account has too many slots",
        ));
    }
    replay.state.lay_slots(&address, &mut slots);
    let mut hashed: Vec<(B256, U256, U256)> = slots
        .into_iter()
        .map(|(slot, value)| (alloy_primitives::keccak256(slot.to_be_bytes::<32>()), slot, value))
        .filter(|(hash, ..)| *hash >= start)
        .collect();
    hashed.sort_unstable();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    rpc.bounded(storage_range(&hashed, limit))
}

fn storage_range(hashed: &[(B256, U256, U256)], limit: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    let mut storage = Object::open(object.key("storage"));
    for (hash, slot, value) in hashed.iter().take(limit) {
        let mut entry = Object::open(storage.key(&hash.to_string()));
        entry.hex("key", slot.to_be_bytes::<32>());
        entry.hex("value", value.to_be_bytes::<32>());
        entry.close();
    }
    storage.close();
    object.maybe_hex("nextKey", hashed.get(limit).map(|(hash, ..)| hash));
    object.close();
    out
}
