//! `eth_simulateV1`: blocks that could follow, with calls in them (execution-apis).

use alloy_consensus::{Header, SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256};
use alloy_rlp::BufMut as _;
use alloy_rpc_types_eth::{
    BlockOverrides, TransactionRequest,
    simulate::{SimBlock, SimulatePayload},
};
use alloy_trie::root::ordered_trie_root_with_encoder;
use op_alloy_consensus::OpTxEnvelope;
use revm::context::result::ExecutionResult;
use trex_stf::{
    fees::base_fee_wei,
    header::extra_data,
    params::{MESSAGE_PASSER, NetworkParams},
    receipt::Receipt,
    state::State,
    state_trie::StateTrie,
    transaction::Transaction,
};

use super::{
    account::fault,
    context::{FullBlock, Rpc, Snapshot},
    error::{INTERNAL, INVALID_PARAMS, REVERTED, RpcError, revert_message, simulate_code},
    exec::{Budget, Env, Run, RunError, run},
    json::{Answer, Object, put_array},
    params::{self, BlockId, Params},
    reader::Reader,
    replay::system_changes,
    request::{Stage, input, sender, tx_env, type_of},
    shapes::{LogPlace, Place, put_block_fields, put_block_transactions, put_log},
    transfers::TransferLogs,
    watch::Recording,
};

/// Most blocks in one simulation, gaps included.
const MAX_BLOCKS: u64 = 256;
/// Seconds between simulated blocks whose time is not given.
const SECONDS_PER_BLOCK: u64 = 1;

/// Code of a limit of this node.
const CLIENT_LIMIT: i64 = -38026;
/// Code of a block number that does not rise.
const BLOCK_NUMBER: i64 = -38020;
/// Code of a block time that does not rise.
const BLOCK_TIME: i64 = -38021;
/// Code of a call that does not fit its block.
const BLOCK_GAS: i64 = -38015;
/// Code of a call that halted.
const VM_ERROR: i64 = -32015;

/// `eth_simulateV1(options, block?)`.
pub fn eth_simulate_v1<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let payload: SimulatePayload = params.object(0)?;
    let id = params.optional(1, params::block_id)?.unwrap_or(BlockId::Latest);
    if payload.block_state_calls.is_empty() {
        return Err(RpcError::new(INVALID_PARAMS, "empty input"));
    }
    if payload.block_state_calls.len() as u64 > MAX_BLOCKS {
        return Err(RpcError::new(CLIENT_LIMIT, "too many blocks"));
    }
    let snapshot = rpc.snapshot(id)?;
    let blocks = with_gaps(&payload.block_state_calls, &snapshot.header)?;
    let mut simulation = Simulation {
        rpc,
        snapshot: &snapshot,
        validation: payload.validation,
        transfers: payload.trace_transfers,
        full: payload.return_full_transactions,
        gas_left: rpc.limits.call_gas,
        budget: Budget::of_call(rpc.limits),
        parent: snapshot.header.clone(),
        parent_hash: snapshot.hash.unwrap_or_else(|| snapshot.header.hash_slow()),
    };
    let mut stage = Stage { state: snapshot.overlay(), env: rpc.env(&snapshot.header) };
    let mut out = vec![b'['];
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        simulation.budget.check()?;
        simulation.block(&mut stage, block, &mut out)?;
        if out.len() > rpc.limits.response_bytes {
            return rpc.bounded(out);
        }
    }
    out.push(b']');
    Ok(out)
}

/// A block to simulate, its number and time known.
struct Planned {
    number: u64,
    timestamp: u64,
    block: SimBlock,
}

/// Puts empty blocks where numbers are left out; numbers and times must rise.
fn with_gaps(blocks: &[SimBlock], base: &Header) -> Result<Vec<Planned>, RpcError> {
    let mut planned = Vec::with_capacity(blocks.len());
    let (mut number, mut timestamp) = (base.number, base.timestamp);
    for block in blocks {
        let overrides = block.block_overrides.clone().unwrap_or_default();
        let wanted = overrides.number.map_or(number.saturating_add(1), |number| number.saturating_to());
        if wanted <= number {
            return Err(RpcError::new(
                BLOCK_NUMBER,
                format!("block numbers must be in order: {wanted} <= {number}"),
            ));
        }
        if wanted - base.number > MAX_BLOCKS {
            return Err(RpcError::new(CLIENT_LIMIT, "too many blocks"));
        }
        for gap in number + 1..wanted {
            timestamp = timestamp.saturating_add(SECONDS_PER_BLOCK);
            planned.push(Planned { number: gap, timestamp, block: SimBlock::default() });
        }
        let time = overrides.time.unwrap_or(timestamp.saturating_add(SECONDS_PER_BLOCK));
        if time <= timestamp {
            return Err(RpcError::new(
                BLOCK_TIME,
                format!("block timestamps must be in order: {time} <= {timestamp}"),
            ));
        }
        (number, timestamp) = (wanted, time);
        planned.push(Planned { number, timestamp, block: block.clone() });
    }
    Ok(planned)
}

struct Simulation<'a, 'r, R: Reader> {
    rpc: &'a Rpc<'r, R>,
    snapshot: &'a Snapshot<R::State>,
    validation: bool,
    transfers: bool,
    full: bool,
    gas_left: u64,
    budget: Budget,
    parent: Header,
    parent_hash: B256,
}

/// What one call gave.
struct CallOutcome {
    tx: Transaction,
    receipt: Receipt,
    output: Bytes,
    /// Gas used before refunds.
    most_gas: u64,
    error: Option<(i64, String, Option<Bytes>)>,
}

impl<R: Reader> Simulation<'_, '_, R> {
    fn block(
        &mut self,
        stage: &mut Stage<'_, R::State>,
        planned: &Planned,
        out: &mut Vec<u8>,
    ) -> Result<(), RpcError> {
        let overrides = planned.block.block_overrides.clone().unwrap_or_default();
        let mut header = self.header(planned, &overrides);
        stage.env = self.env(&header, &overrides, stage);
        stage.state.set_block_hash(self.parent.number, self.parent_hash);
        let changes = system_changes(&stage.state, &stage.env, &header)?;
        stage.state.commit(&changes);
        if let Some(overrides) = &planned.block.state_overrides {
            stage.override_state(overrides)?;
        }
        let mut outcomes = Vec::with_capacity(planned.block.calls.len());
        for request in &planned.block.calls {
            let outcome = self.call(stage, &header, request)?;
            header.gas_used += outcome.receipt.gas_used;
            outcomes.push(CallOutcome {
                receipt: Receipt { cumulative_gas_used: header.gas_used, ..outcome.receipt },
                ..outcome
            });
        }
        self.finish(stage, header, outcomes, out)
    }

    fn params(&self) -> &NetworkParams {
        self.rpc.reader.params()
    }

    fn header(&self, planned: &Planned, overrides: &BlockOverrides) -> Header {
        let elapsed_s = planned.timestamp.saturating_sub(self.params().genesis_timestamp);
        let slot = elapsed_s.saturating_mul(1000) / self.params().block_time_ms.max(1);
        let base_fee = overrides.base_fee.map_or_else(
            || if self.validation { self.next_base_fee(slot) } else { 0 },
            |fee| fee.saturating_to(),
        );
        Header {
            parent_hash: self.parent_hash,
            number: planned.number,
            timestamp: planned.timestamp,
            beneficiary: overrides.coinbase.unwrap_or(self.parent.beneficiary),
            gas_limit: overrides.gas_limit.unwrap_or(self.parent.gas_limit),
            difficulty: overrides.difficulty.unwrap_or_default(),
            mix_hash: overrides.random.unwrap_or_default(),
            extra_data: extra_data(slot),
            base_fee_per_gas: Some(base_fee),
            withdrawals_root: self.parent.withdrawals_root,
            parent_beacon_block_root: Some(overrides.beacon_root.unwrap_or_default()),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            requests_hash: Some(alloy_eips::eip7685::EMPTY_REQUESTS_HASH),
            ..Header::default()
        }
    }

    fn next_base_fee(&self, slot: u64) -> u64 {
        let parent_slot = trex_stf::header::slot(&self.parent).unwrap_or_default();
        base_fee_wei(
            self.params(),
            self.parent.base_fee_per_gas.unwrap_or_default(),
            self.parent.gas_used,
            self.parent.gas_limit,
            slot.saturating_sub(parent_slot).max(1),
        )
    }

    fn env(&self, header: &Header, overrides: &BlockOverrides, stage: &Stage<'_, R::State>) -> Env {
        let mut env = self.rpc.env(header);
        env.precompiles = stage.env.precompiles.clone();
        env.block.difficulty = header.difficulty;
        if let (Some(fee), Some(blob)) =
            (overrides.blob_base_fee, env.block.blob_excess_gas_and_price.as_mut())
        {
            blob.blob_gasprice = fee.saturating_to();
        }
        // Whether an account may send is never asked, balances and nonces only when validating.
        env.cfg.disable_eip3607 = true;
        env.cfg.tx_gas_limit_cap = Some(u64::MAX);
        env.cfg.disable_block_gas_limit = true;
        if !self.validation {
            env.cfg.disable_nonce_check = true;
            env.cfg.disable_base_fee = true;
        }
        env
    }

    fn call(
        &mut self,
        stage: &mut Stage<'_, R::State>,
        header: &Header,
        request: &TransactionRequest,
    ) -> Result<CallOutcome, RpcError> {
        let request = self.complete(stage, header, request)?;
        let tx_env = tx_env(&request, self.params().chain_id, u64::MAX)?;
        let tx = unsigned(&request, self.params().chain_id)?;
        let inspector = TransferLogs::new(self.transfers);
        let run =
            run(&stage.state, &stage.env, tx_env, U256::ZERO, inspector, Recording::Calls, &self.budget)
                .map_err(|error| match error {
                    RunError::Invalid(reason, message) => RpcError::new(simulate_code(&reason), message),
                    RunError::Other(error) => error,
                })?;
        stage.state.commit(&run.changes);
        self.gas_left = self.gas_left.saturating_sub(run.result.tx_gas_used());
        Ok(outcome(tx, run, self.transfers, header))
    }

    /// Fills in nonce, gas and fees.
    fn complete(
        &self,
        stage: &Stage<'_, R::State>,
        header: &Header,
        request: &TransactionRequest,
    ) -> Result<TransactionRequest, RpcError> {
        let mut request = request.clone();
        if request.nonce.is_none() {
            let account = stage.state.account(&sender(&request)).map_err(fault)?;
            request.nonce = Some(account.map_or(0, |account| account.nonce));
        }
        let left = header.gas_limit.saturating_sub(header.gas_used);
        let gas = request.gas.unwrap_or(left);
        if gas > left {
            return Err(RpcError::new(
                BLOCK_GAS,
                format!(
                    "block gas limit reached: {} >= {}",
                    header.gas_used.saturating_add(gas),
                    header.gas_limit
                ),
            ));
        }
        if self.gas_left == 0 {
            return Err(RpcError::new(CLIENT_LIMIT, "simulation uses too much gas: limit call_gas"));
        }
        request.gas = Some(gas.min(self.gas_left));
        if request.gas_price.is_none() {
            let tip = request.max_priority_fee_per_gas.unwrap_or_default();
            let least = u128::from(header.base_fee_per_gas.unwrap_or_default());
            request.max_priority_fee_per_gas = Some(tip);
            request.max_fee_per_gas = request.max_fee_per_gas.or(Some(if self.validation {
                least.saturating_add(tip)
            } else {
                tip
            }));
        }
        Ok(request)
    }

    /// Roots and hash of the block, and its JSON.
    fn finish(
        &mut self,
        stage: &mut Stage<'_, R::State>,
        mut header: Header,
        outcomes: Vec<CallOutcome>,
        out: &mut Vec<u8>,
    ) -> Result<(), RpcError> {
        let transactions: Vec<Transaction> = outcomes.iter().map(|outcome| outcome.tx.clone()).collect();
        let receipts: Vec<Receipt> = outcomes.iter().map(|outcome| outcome.receipt.clone()).collect();
        header.ommers_hash = alloy_consensus::EMPTY_OMMER_ROOT_HASH;
        header.transactions_root =
            ordered_trie_root_with_encoder(&transactions, |tx, out| out.put_slice(tx.encoded()));
        header.receipts_root =
            ordered_trie_root_with_encoder(&receipts, |receipt, out| receipt.encode_2718(out));
        for log in receipts.iter().flat_map(|receipt| &receipt.logs) {
            header.logs_bloom.accrue_log(log);
        }
        self.state_roots(stage, &mut header)?;
        let hash = header.hash_slow();
        let block = FullBlock { header: header.clone(), hash: Some(hash), transactions, receipts };
        put_block(out, &block, &outcomes, self.full);
        (self.parent, self.parent_hash) = (header, hash);
        Ok(())
    }

    /// State root, and the message passer's, over everything simulated so far.
    fn state_roots(&self, stage: &Stage<'_, R::State>, header: &mut Header) -> Result<(), RpcError> {
        let base_root = match self.snapshot.hash {
            Some(_) => self.snapshot.header.state_root,
            // The pending block has no root; the state is its parent's with changes on top.
            None => self
                .rpc
                .reader
                .header(self.snapshot.header.number.saturating_sub(1))?
                .map_or(B256::ZERO, |header| header.state_root),
        };
        let updates = stage.state.updates().map_err(fault)?;
        let mut trie = StateTrie::new(base_root);
        let diff = trie
            .apply(updates, &self.snapshot.state)
            .map_err(|error| RpcError::server(format!("missing trie node: {error:?}")))?;
        header.state_root = trie.root();
        if let Ok(at) = diff.accounts.binary_search_by_key(&MESSAGE_PASSER, |(address, _)| *address)
            && let Some(account) = diff.accounts[at].1.new
        {
            header.withdrawals_root = Some(account.storage_root);
        }
        Ok(())
    }
}

fn outcome(tx: Transaction, run: Run<TransferLogs>, with_transfers: bool, header: &Header) -> CallOutcome {
    let gas = *run.result.gas();
    let failure = run.failure();
    let error = match &run.result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { output, .. } => {
            Some((REVERTED, revert_message(output), Some(output.clone())))
        }
        ExecutionResult::Halt { .. } => Some((VM_ERROR, failure.unwrap_or_default(), None)),
    };
    let logs: Vec<Log> = if with_transfers { run.inspector.into_logs() } else { run.result.logs().to_vec() };
    let success = error.is_none();
    let receipt = Receipt {
        tx_type: alloy_consensus::Typed2718::ty(tx.envelope()),
        success,
        gas_used: gas.tx_gas_used(),
        effective_gas_price_wei: tx.effective_gas_price_wei(header.base_fee_per_gas.unwrap_or_default()),
        logs: if success { logs } else { Vec::new() },
        contract_address: run.result.created_address(),
        ..Receipt::default()
    };
    let output = run.result.into_output().unwrap_or_default();
    CallOutcome { tx, receipt, output, most_gas: gas.total_gas_spent(), error }
}

fn put_block(out: &mut Vec<u8>, block: &FullBlock, outcomes: &[CallOutcome], full: bool) {
    let mut object = Object::open(out);
    put_block_fields(&mut object, block);
    put_block_transactions(object.key("transactions"), block, full);
    let place = Place::first(&block.header, block.hash);
    let mut log_index = 0;
    put_array(object.key("calls"), outcomes.iter().enumerate(), |out, (index, outcome)| {
        put_call(out, outcome, &place.at(index), &mut log_index);
    });
    object.close();
}

fn put_call(out: &mut Vec<u8>, outcome: &CallOutcome, place: &Place, log_index: &mut u64) {
    let mut object = Object::open(out);
    object.hex("returnData", &outcome.output);
    put_array(object.key("logs"), &outcome.receipt.logs, |out, log| {
        put_log(out, log, &LogPlace { tx: *place, tx_hash: outcome.tx.hash(), log_index: *log_index });
        *log_index += 1;
    });
    object.number("gasUsed", outcome.receipt.gas_used);
    object.number("maxUsedGas", outcome.most_gas);
    object.number("status", outcome.receipt.success);
    if let Some((code, message, data)) = &outcome.error {
        let mut error = Object::open(object.key("error"));
        error.text("message", message);
        error.raw("code", code.to_string().as_bytes());
        if let Some(data) = data {
            error.hex("data", data);
        }
        error.close();
    }
    object.close();
}

/// The transaction a request stands for, without a signature.
fn unsigned(request: &TransactionRequest, chain_id: u64) -> Result<Transaction, RpcError> {
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    let input = input(request)?;
    let (nonce, gas_limit) = (request.nonce.unwrap_or_default(), request.gas.unwrap_or_default());
    let (to, value) = (request.to.unwrap_or(TxKind::Create), request.value.unwrap_or_default());
    let gas_price = request.gas_price.unwrap_or_default();
    let max_fee_per_gas = request.max_fee_per_gas.unwrap_or_default();
    let max_priority_fee_per_gas = request.max_priority_fee_per_gas.unwrap_or_default();
    let access_list = request.access_list.clone().unwrap_or_default();
    let envelope = match type_of(request) {
        0 => OpTxEnvelope::Legacy(
            TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input }
                .into_signed(signature),
        ),
        1 => OpTxEnvelope::Eip2930(
            TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input }
                .into_signed(signature),
        ),
        4 => OpTxEnvelope::Eip7702(
            TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to: to.to().copied().unwrap_or(Address::ZERO),
                value,
                access_list,
                authorization_list: request.authorization_list.clone().unwrap_or_default(),
                input,
            }
            .into_signed(signature),
        ),
        _ => OpTxEnvelope::Eip1559(
            TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to,
                value,
                access_list,
                input,
            }
            .into_signed(signature),
        ),
    };
    let encoded: Bytes = envelope.encoded_2718().into();
    let hash = alloy_primitives::keccak256(&encoded);
    Transaction::with_sender(encoded, hash, sender(request))
        .map_err(|error| RpcError::new(INTERNAL, error.to_string()))
}
