//! One case: a transaction of a test by the rules of a fork.

use std::{cell::Cell, io::Write, rc::Rc};

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, TxKind, U256, U512, keccak256};
use alloy_rlp::Encodable as _;
use k256::ecdsa::SigningKey;
use revm::{
    bytecode::opcode::SSTORE,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        either::Either,
        result::{EVMError, ExecutionResult},
    },
    context_interface::block::BlobExcessGasAndPrice,
    handler::{EthPrecompiles, Handler as _},
    inspector::InspectorHandler as _,
    interpreter::{
        Instruction, InstructionContext, InstructionResult, instructions::host::sstore_with_gas_accounting,
        interpreter::EthInterpreter,
    },
    primitives::hardfork::SpecId,
};
use trex_stf::evm::{StateContext, StateEvm, evm_with_precompiles};

use crate::{
    fixture::{Environment, Outcome, Test},
    fork::{BlobSchedule, Fork},
    handler::StateTestHandler,
    memory::{Changes, MemoryState},
    number::{Number, address},
    trace::Tracer,
    wire,
};

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// As the test says.
    Passed,
    /// Not as the test says.
    Failed,
    /// Not run.
    Skipped,
}

/// What came of a case, and why.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Passed, failed or skipped.
    pub status: Status,
    /// Why it failed or was skipped; why the transaction was refused where that is right.
    pub reason: Option<String>,
    /// State root after the transaction, as computed here.
    pub state_root: Option<B256>,
}

impl Verdict {
    /// A case that is not as the test says, or could not be run.
    pub fn failed(reason: String, state_root: Option<B256>) -> Self {
        Self { status: Status::Failed, reason: Some(reason), state_root }
    }

    /// A case that is not run.
    pub fn skipped(reason: String) -> Self {
        Self { status: Status::Skipped, reason: Some(reason), state_root: None }
    }
}

/// What a transaction did.
enum Effect {
    /// It is in the block: what changed, and the hash of its logs.
    Included { changes: Changes, logs_hash: B256 },
    /// It cannot be in a block, and why.
    Refused(String),
}

/// Where to write a case's trace, and whether with memory.
pub struct TraceTo<'a> {
    /// Where to.
    pub out: &'a mut dyn Write,
    /// Each instruction with the memory before it.
    pub with_memory: bool,
}

/// Runs the case `outcome` of `test` by the rules of `fork`; `state` is what `test.pre` describes.
pub fn run(
    test: &Test,
    state: &MemoryState,
    fork: Fork,
    outcome: &Outcome,
    trace: Option<TraceTo<'_>>,
) -> Verdict {
    run_inner(test, state, fork, outcome, trace).unwrap_or_else(|reason| Verdict::failed(reason, None))
}

fn run_inner(
    test: &Test,
    state: &MemoryState,
    fork: Fork,
    outcome: &Outcome,
    trace: Option<TraceTo<'_>>,
) -> Result<Verdict, String> {
    let refund_before = Rc::new(Cell::new(0));
    let mut tracer = trace.map(|trace| Tracer::new(trace.out, trace.with_memory, refund_before.clone()));
    let effect = execute(test, state, fork, outcome, tracer.as_mut(), refund_before)?;
    let verdict = judge(test, state, fork, outcome, effect)?;
    if let Some(tracer) = tracer {
        let root = verdict.state_root.unwrap_or_else(|| state.root());
        let pass = verdict.status == Status::Passed;
        tracer.finish(root, pass).map_err(|error| format!("trace cut off: {error}"))?;
    }
    Ok(verdict)
}

/// Compares what the transaction did with what it should have (ST-001, ST-004).
fn judge(
    test: &Test,
    state: &MemoryState,
    fork: Fork,
    outcome: &Outcome,
    effect: Effect,
) -> Result<Verdict, String> {
    let passed = |reason, root| Verdict { status: Status::Passed, reason, state_root: Some(root) };
    let exception = outcome.expect_exception.as_ref().filter(|exception| !exception.is_null());
    let (changes, logs_hash) = match (effect, exception) {
        (Effect::Included { changes, .. }, Some(exception)) => {
            let root = state.root_after(&changes)?;
            return Ok(Verdict::failed(
                format!("the transaction was included; expected exception {exception}"),
                Some(root),
            ));
        }
        // What else such a block does differs among fillers: a reward of zero, a system call (ST-004).
        (Effect::Refused(reason), Some(_)) => return Ok(passed(Some(reason), state.root())),
        (Effect::Refused(reason), None) => {
            let mut touched = Changes::new();
            state.touch(&mut touched, test.env.current_coinbase, fork.spec());
            let (before, rewarded) = (state.root(), state.root_after(&touched)?);
            return Ok(if outcome.hash.0 == before || outcome.hash.0 == rewarded {
                passed(Some(reason), outcome.hash.0)
            } else {
                Verdict::failed(format!("the transaction was refused: {reason}"), Some(before))
            });
        }
        (Effect::Included { changes, logs_hash }, None) => (changes, logs_hash),
    };
    let root = state.root_after(&changes)?;
    if root != outcome.hash.0 {
        let mut reason = format!("post state root is {root}, want {}", outcome.hash.0);
        if let Some(expected) = &outcome.state {
            let differences = state.differences(&changes, expected)?;
            reason = format!("{reason}: {}", differences.join("; "));
        }
        return Ok(Verdict::failed(reason, Some(root)));
    }
    if let Some(wanted) = outcome.logs
        && logs_hash != wanted.0
    {
        return Ok(Verdict::failed(format!("logs hash is {logs_hash}, want {}", wanted.0), Some(root)));
    }
    Ok(passed(None, root))
}

fn execute(
    test: &Test,
    state: &MemoryState,
    fork: Fork,
    outcome: &Outcome,
    tracer: Option<&mut Tracer<'_>>,
    refund_before: Rc<Cell<u64>>,
) -> Result<Effect, String> {
    let spec = fork.spec();
    let chain_id = match test.config.chainid {
        Some(id) => narrow(id).ok_or("chain id above 64 bits")?,
        None => 1,
    };
    if let Some(bytes) = &outcome.txbytes
        && !bytes.0.is_empty()
        && let Some(reason) = wire::refusal(&bytes.0, spec, chain_id)
    {
        return Ok(Effect::Refused(reason));
    }
    let blobs = blob_schedule(test, fork)?;
    let tx = match transaction(test, outcome, chain_id, state)? {
        Ok(tx) => tx,
        Err(reason) => return Ok(Effect::Refused(reason)),
    };
    let mut config = CfgEnv::new_with_spec(spec).with_mainnet_gas_params().with_chain_id(chain_id);
    // EIP-7594: six blobs a transaction from Osaka on; before, as many as fit in a block.
    config.max_blobs_per_tx =
        Some(if spec.is_enabled_in(SpecId::OSAKA) { blobs.max.min(6) } else { blobs.max });
    config.blob_base_fee_update_fraction = Some(blobs.update_fraction);
    let block = block(&test.env, spec, blobs);

    let (result, changes) = match tracer {
        None => {
            let mut handler = StateTestHandler::new(refund_before);
            transact(state, fork, config, block, tx, (), |evm| handler.run(evm))
        }
        Some(tracer) => {
            let mut handler = StateTestHandler::new(refund_before);
            transact(state, fork, config, block, tx, tracer, |evm| handler.inspect_run(evm))
        }
    }?;
    Ok(match result {
        Ok(result) => {
            let mut rlp = Vec::new();
            let logs = if result.is_success() { result.into_logs() } else { Vec::new() };
            logs.encode(&mut rlp);
            Effect::Included { changes, logs_hash: keccak256(rlp) }
        }
        Err(reason) => Effect::Refused(reason),
    })
}

type TestError = trex_stf::evm::TransactError<crate::memory::MissingNode>;

/// Runs the transaction; the inner result is why it was refused.
fn transact<'a, I>(
    state: &'a MemoryState,
    fork: Fork,
    mut config: CfgEnv,
    block: BlockEnv,
    tx: TxEnv,
    inspector: I,
    run: impl FnOnce(&mut StateEvm<'a, MemoryState, I>) -> Result<ExecutionResult, TestError>,
) -> Result<(Result<ExecutionResult, String>, Changes), String> {
    let spec = config.spec;
    if fork == Fork::Constantinople {
        net_gas_metering(&mut config);
    }
    let mut evm = evm_with_precompiles(config, block, state, inspector, EthPrecompiles::new(spec));
    if fork == Fork::Constantinople {
        evm.instruction.insert_instruction(SSTORE, Instruction::new(sstore_eip1283), 0);
    }
    evm.ctx.tx = tx;
    match run(&mut evm) {
        Ok(result) => {
            let journal = evm.ctx.journaled_state.finalize();
            Ok((Ok(result), state.changes(&journal, spec)))
        }
        Err(EVMError::Transaction(reason)) => Ok((Err(reason.to_string()), Changes::new())),
        Err(error) => Err(format!("could not run: {error}")),
    }
}

/// Gas of EIP-1283, where a slot's read costs 200.
fn net_gas_metering(config: &mut CfgEnv) {
    use revm::context_interface::cfg::GasId;
    config.gas_params.override_gas([
        (GasId::sstore_static(), 200),
        (GasId::sstore_set_without_load_cost(), 19_800),
        (GasId::sstore_reset_without_cold_load_cost(), 4_800),
        (GasId::sstore_set_refund(), 19_800),
        (GasId::sstore_reset_refund(), 4_800),
    ]);
}

/// `SSTORE` by EIP-1283: net gas metering as from Istanbul on, without the floor of 2300 gas.
fn sstore_eip1283(
    context: InstructionContext<'_, StateContext<'_, MemoryState>, EthInterpreter>,
) -> Result<(), InstructionResult> {
    sstore_with_gas_accounting(context, |context, _, slot| {
        let params = revm::context_interface::host::Host::gas_params(context.host);
        let (cost, refund) =
            (params.sstore_dynamic_gas(true, &slot.data, false), params.sstore_refund(true, &slot.data));
        if !context.interpreter.gas.record_regular_cost(cost) {
            return Err(InstructionResult::OutOfGas);
        }
        context.interpreter.gas.record_refund(refund);
        Ok(())
    })
}

fn narrow<T: TryFrom<U512>>(number: Number) -> Option<T> {
    number.0.try_into().ok()
}

fn saturate(number: Number) -> u64 {
    narrow(number).unwrap_or(u64::MAX)
}

fn blob_schedule(test: &Test, fork: Fork) -> Result<BlobSchedule, String> {
    let entry = test.config.blob_schedule.iter().find(|(name, _)| Fork::from_name(name) == Some(fork));
    let Some((_, entry)) = entry else { return Ok(fork.blob_schedule()) };
    let read = |number| narrow(number).ok_or("blob schedule with a number above 64 bits");
    Ok(BlobSchedule {
        target: read(entry.target)?,
        max: read(entry.max)?,
        update_fraction: read(entry.base_fee_update_fraction)?,
    })
}

/// The block it runs in, with values for what the test leaves out (ST-007).
fn block(env: &Environment, spec: SpecId, blobs: BlobSchedule) -> BlockEnv {
    /// Gas of a blob (EIP-4844).
    const GAS_PER_BLOB: u64 = 1 << 17;
    let difficulty = env.current_difficulty.unwrap_or_default().saturating_word();
    let excess_blob_gas =
        match (env.current_excess_blob_gas, env.parent_excess_blob_gas, env.parent_blob_gas_used) {
            (Some(excess), _, _) => saturate(excess),
            (None, Some(excess), Some(used)) => {
                saturate(excess).saturating_add(saturate(used)).saturating_sub(blobs.target * GAS_PER_BLOB)
            }
            _ => 0,
        };
    BlockEnv {
        number: env.current_number.saturating_word(),
        beneficiary: env.current_coinbase,
        timestamp: env.current_timestamp.saturating_word(),
        gas_limit: saturate(env.current_gas_limit),
        basefee: if spec.is_enabled_in(SpecId::LONDON) {
            // Fillers before London's fields took a parent of 16 wei and half its gas target used.
            env.current_base_fee.map_or(10, saturate)
        } else {
            0
        },
        difficulty,
        prevrandao: spec
            .is_enabled_in(SpecId::MERGE)
            .then(|| env.current_random.map_or_else(|| difficulty.into(), |word| word.0)),
        blob_excess_gas_and_price: spec
            .is_enabled_in(SpecId::CANCUN)
            .then(|| BlobExcessGasAndPrice::new(excess_blob_gas, blobs.update_fraction)),
        slot_num: env.slot_number.map_or(0, saturate),
    }
}

/// The case's transaction, its type by its fields (ST-006), or why no block can hold it.
fn transaction(
    test: &Test,
    outcome: &Outcome,
    chain_id: u64,
    state: &MemoryState,
) -> Result<Result<TxEnv, String>, String> {
    let choices = &test.transaction;
    let index = outcome.indexes;
    let pick = |what: &str| format!("no {what} at the case's index");
    let data = choices.data.get(index.data).ok_or_else(|| pick("data"))?.0.clone();
    let gas_limit = *choices.gas_limit.get(index.gas).ok_or_else(|| pick("gas limit"))?;
    let value = *choices.value.get(index.value).ok_or_else(|| pick("value"))?;
    let access_list =
        choices.access_lists.as_ref().and_then(|lists| lists.get(index.data)).and_then(Option::as_ref);
    let kind = match choices.to.as_deref().map(str::trim) {
        None | Some("" | "0x") => TxKind::Create,
        Some(to) => TxKind::Call(address(to)?),
    };
    let tx_type = if choices.authorization_list.is_some() {
        4
    } else if choices.max_fee_per_blob_gas.is_some() || choices.blob_versioned_hashes.is_some() {
        3
    } else if choices.max_fee_per_gas.is_some() {
        2
    } else {
        u8::from(access_list.is_some())
    };
    if kind == TxKind::Create && tx_type >= 3 {
        return Ok(Err(format!("a transaction of type {tx_type} cannot create a contract")));
    }
    let caller = sender(test)?;
    let max_fee = choices.max_fee_per_gas.or(choices.gas_price).unwrap_or_default();
    let (Some(gas_limit), Some(value), Some(nonce)) =
        (narrow::<u64>(gas_limit), value.word(), narrow::<u64>(choices.nonce))
    else {
        return Ok(Err("a gas limit, value or nonce too large for its field".into()));
    };
    let (Some(gas_price), Some(gas_priority_fee), Some(max_fee_per_blob_gas)) = (
        narrow::<u128>(max_fee),
        choices.max_priority_fee_per_gas.map_or(Some(0), narrow::<u128>),
        choices.max_fee_per_blob_gas.map_or(Some(0), narrow::<u128>),
    ) else {
        return Ok(Err(price_above_128_bits(state, caller, gas_limit, max_fee)));
    };
    let authorization_list = match authorizations(test) {
        Ok(list) => list,
        Err(reason) => return Ok(Err(reason)),
    };
    let access_list = access_list.map(|list| {
        let items = list.iter().map(|item| AccessListItem {
            address: item.address,
            storage_keys: item.storage_keys.iter().map(|key| key.0).collect(),
        });
        AccessList(items.collect())
    });
    Ok(Ok(TxEnv {
        tx_type,
        caller,
        gas_limit,
        gas_price,
        kind,
        value,
        data,
        nonce,
        chain_id: Some(match choices.chain_id {
            Some(id) => saturate(id),
            None => chain_id,
        }),
        access_list: access_list.unwrap_or_default(),
        gas_priority_fee: (tx_type >= 2).then_some(gas_priority_fee),
        blob_hashes: choices.blob_versioned_hashes.iter().flatten().map(|hash| hash.0).collect(),
        max_fee_per_blob_gas,
        authorization_list,
    }))
}

/// Prices above 128 bits are possible in the fields and in nothing else: no balance pays them.
fn price_above_128_bits(state: &MemoryState, caller: Address, gas_limit: u64, max_fee: Number) -> String {
    use trex_stf::state::State as _;
    let balance = state.account(&caller).ok().flatten().map_or(U256::ZERO, |account| account.balance);
    let cost = max_fee.0.saturating_mul(U512::from(gas_limit));
    format!("a price of gas above 128 bits: costs {cost}, the sender has {balance}")
}

fn sender(test: &Test) -> Result<Address, String> {
    if let Some(sender) = &test.transaction.sender {
        return address(sender);
    }
    let Some(key) = test.transaction.secret_key else {
        return Err("the transaction has neither sender nor secretKey".into());
    };
    let key = SigningKey::from_bytes(&key.0.0.into()).map_err(|error| format!("secretKey: {error}"))?;
    let public = key.verifying_key().to_encoded_point(false);
    Ok(Address::from_raw_public_key(&public.as_bytes()[1..]))
}

/// The authorizations, or why no transaction can hold them.
fn authorizations(
    test: &Test,
) -> Result<
    Vec<Either<SignedAuthorization, revm::context_interface::transaction::RecoveredAuthorization>>,
    String,
> {
    let too_large = |what: &str| format!("an authorization's {what} is too large for its field");
    test.transaction
        .authorization_list
        .iter()
        .flatten()
        .map(|entry| {
            let inner = Authorization {
                chain_id: entry.chain_id.word().ok_or_else(|| too_large("chain id"))?,
                address: entry.address,
                nonce: narrow(entry.nonce).ok_or_else(|| too_large("nonce"))?,
            };
            let parity = entry.y_parity.or(entry.v).unwrap_or_default();
            Ok(Either::Left(SignedAuthorization::new_unchecked(
                inner,
                narrow(parity).ok_or_else(|| too_large("parity"))?,
                entry.r.word().ok_or_else(|| too_large("r"))?,
                entry.s.word().ok_or_else(|| too_large("s"))?,
            )))
        })
        .collect()
}
