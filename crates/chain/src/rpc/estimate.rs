//! `eth_estimateGas`: the least gas with which a transaction succeeds, within 1.5 %.

use alloy_primitives::{TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use revm::{
    context::{
        TxEnv,
        result::{ExecutionResult, InvalidTransaction},
    },
    inspector::NoOpInspector,
};
use trex_stf::{evm::TX_GAS_LIMIT_CAP, state::State};

use super::{
    context::Rpc,
    error::{INTERNAL, RpcError},
    exec::{Budget, Run, RunError, run},
    json::{self, Answer},
    params::{self, BlockId, Params},
    reader::Reader,
    request::{Stage, tx_env, waive_base_fee},
    watch::Recording,
};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas a callee gets for free with a value.
const CALL_STIPEND: u64 = 2_300;
/// The search ends when this fraction of the answer is open, in thousandths.
const TOLERANCE_PER_MILLE: u64 = 15;

/// `eth_estimateGas(request, block?, stateOverrides?, blockOverrides?)`. Where no block is named, the
/// transaction runs on the newest state with number and time of the block to come: in the newest block's
/// own time a contract that acts once a second looks as if it had acted already.
pub fn eth_estimate_gas<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let request: TransactionRequest = params.object(0)?;
    let id = params.optional(1, params::block_id)?;
    let state_overrides = params.optional(2, params::object)?;
    let block_overrides = params.optional(3, params::object)?;

    let mut snapshot = rpc.snapshot(id.unwrap_or(BlockId::Latest))?;
    if id.is_none() {
        snapshot.header.timestamp = rpc.reader.next_timestamp(&snapshot.header);
        snapshot.header.number += 1;
    }
    let mut stage = Stage::new(rpc, &snapshot, state_overrides.as_ref(), block_overrides.as_ref())?;
    let tx = tx_env(&request, rpc.reader.params().chain_id, u64::MAX)?;
    waive_base_fee(&mut stage.env, &tx);
    let most = most_gas(&stage, &request, &tx, rpc.limits.call_gas)?;
    let search = Search { stage: &stage, tx, budget: Budget::of_call(rpc.limits) };
    json::quantity(search.least(most)?)
}

/// The most gas the transaction may have: by request, block, sender's balance, and limits.
fn most_gas<S: State>(
    stage: &Stage<'_, S>,
    request: &TransactionRequest,
    tx: &TxEnv,
    gas_cap: u64,
) -> Result<u64, RpcError> {
    let mut most = request.gas.filter(|gas| *gas >= TRANSFER_GAS).unwrap_or(stage.env.block.gas_limit);
    if tx.gas_price > 0 {
        let account = stage.state.account(&tx.caller).map_err(fault)?;
        let balance = account.map_or(U256::ZERO, |account| account.balance);
        let Some(available) =
            balance.checked_sub(tx.value).filter(|left| tx.value.is_zero() || !left.is_zero())
        else {
            return Err(RpcError::server("insufficient funds for transfer"));
        };
        most = most.min((available / U256::from(tx.gas_price)).saturating_to());
    }
    Ok(most.min(gas_cap).min(TX_GAS_LIMIT_CAP))
}

fn fault(error: impl std::fmt::Display) -> RpcError {
    RpcError::new(INTERNAL, error.to_string())
}

/// What a try with some gas gave.
enum Try {
    /// Not even begun: less gas than any execution takes.
    TooLittle,
    Ran(Run<NoOpInspector>),
}

impl Try {
    fn succeeded(&self) -> bool {
        matches!(self, Self::Ran(run) if run.result.is_success())
    }
}

struct Search<'s, 'a, S> {
    stage: &'s Stage<'a, S>,
    tx: TxEnv,
    budget: Budget,
}

impl<S: State> Search<'_, '_, S> {
    fn attempt(&self, gas: u64) -> Result<Try, RpcError> {
        let tx = TxEnv { gas_limit: gas, ..self.tx.clone() };
        let outcome = run(
            &self.stage.state,
            &self.stage.env,
            tx,
            U256::ZERO,
            NoOpInspector,
            Recording::Nothing,
            &self.budget,
        );
        match outcome {
            Ok(run) => Ok(Try::Ran(run)),
            Err(RunError::Invalid(
                InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
                | InvalidTransaction::GasFloorMoreThanGasLimit { .. },
                _,
            )) => Ok(Try::TooLittle),
            Err(RunError::Invalid(_, message)) => {
                Err(RpcError::server(format!("failed with {gas} gas: {message}")))
            }
            Err(RunError::Other(error)) => Err(error),
        }
    }

    fn is_plain_transfer(&self) -> Result<bool, RpcError> {
        let TxKind::Call(to) = self.tx.kind else { return Ok(false) };
        if !self.tx.data.is_empty()
            || !self.tx.access_list.is_empty()
            || !self.tx.authorization_list.is_empty()
        {
            return Ok(false);
        }
        let account = self.stage.state.account(&to).map_err(fault)?;
        Ok(account.is_none_or(|account| account.code_hash == alloy_primitives::KECCAK256_EMPTY)
            && !self.stage.env.precompiles.contains(&to))
    }

    fn least(&self, most: u64) -> Result<u64, RpcError> {
        if self.is_plain_transfer()? && most >= TRANSFER_GAS && self.attempt(TRANSFER_GAS)?.succeeded() {
            return Ok(TRANSFER_GAS);
        }
        let spent = self.spent_with(most)?;
        let (mut low, mut high) = (spent.used.saturating_sub(1), most);
        // What is held back in nested calls is what a first guess mostly lacks.
        let guess = (spent.total + CALL_STIPEND) * 64 / 63;
        if guess < high {
            self.narrow(guess, &mut low, &mut high)?;
        }
        while low + 1 < high {
            if (high - low) * 1000 < high * TOLERANCE_PER_MILLE {
                break;
            }
            // Most transactions need little more than what they use: no halving far above it.
            let middle = ((high + low) / 2).min(low.saturating_mul(2).max(low + 1));
            self.narrow(middle, &mut low, &mut high)?;
        }
        Ok(high)
    }

    fn narrow(&self, gas: u64, low: &mut u64, high: &mut u64) -> Result<(), RpcError> {
        if self.attempt(gas)?.succeeded() {
            *high = gas;
        } else {
            *low = gas;
        }
        Ok(())
    }

    /// Gas used with all the gas there may be; the error is why even that is not enough.
    fn spent_with(&self, most: u64) -> Result<Spent, RpcError> {
        let exceeded = || RpcError::server(format!("gas required exceeds allowance ({most})"));
        let Try::Ran(run) = self.attempt(most)? else { return Err(exceeded()) };
        match &run.result {
            ExecutionResult::Success { gas, .. } => {
                Ok(Spent { used: gas.tx_gas_used(), total: gas.total_gas_spent() })
            }
            ExecutionResult::Revert { output, .. } => Err(RpcError::revert(output)),
            ExecutionResult::Halt { .. } => match run.failure() {
                Some(why) if why != "out of gas" => Err(RpcError::server(why)),
                _ => Err(exceeded()),
            },
        }
    }
}

struct Spent {
    /// After refunds.
    used: u64,
    /// Before refunds.
    total: u64,
}
