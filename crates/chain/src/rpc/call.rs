//! `eth_call`.

use alloy_rpc_types_eth::TransactionRequest;
use revm::{context::result::ExecutionResult, inspector::NoOpInspector};

use super::{
    context::Rpc,
    error::RpcError,
    exec::{Budget, Run, run},
    json::{self, Answer},
    params::{self, BlockId, Params},
    reader::Reader,
    request::{Stage, tx_env, waive_base_fee},
    watch::Recording,
};

/// `eth_call(request, block?, stateOverrides?, blockOverrides?)`.
pub fn eth_call<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let request: TransactionRequest = params.object(0)?;
    let id = params.optional(1, params::block_id)?.unwrap_or(BlockId::Latest);
    let state_overrides = params.optional(2, params::object)?;
    let block_overrides = params.optional(3, params::object)?;

    let snapshot = rpc.snapshot(id)?;
    let mut stage = Stage::new(rpc, &snapshot, state_overrides.as_ref(), block_overrides.as_ref())?;
    let tx = tx_env(&request, rpc.reader.params().chain_id, rpc.limits.call_gas)?;
    waive_base_fee(&mut stage.env, &tx);
    let gas = tx.gas_limit;
    let budget = Budget::of_call(rpc.limits);
    let run =
        run(&stage.state, &stage.env, tx, Default::default(), NoOpInspector, Recording::Nothing, &budget)
            .map_err(|error| error.of_call(gas))?;
    output(run)
}

/// What a call returned, or why it failed.
fn output<I>(run: Run<I>) -> Answer {
    match &run.result {
        ExecutionResult::Success { output, .. } => json::data(output.data()),
        ExecutionResult::Revert { output, .. } => Err(RpcError::revert(output)),
        ExecutionResult::Halt { .. } => Err(RpcError::server(run.failure().unwrap_or_default())),
    }
}
