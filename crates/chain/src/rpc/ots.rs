//! `ots_*`: what Otterscan asks of a node, API level 8.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use alloy_rpc_types_trace::otterscan::TraceEntry;
use revm_inspectors::{
    otterscan::InternalOperationsInspector,
    tracing::{TracingInspector, TracingInspectorConfig, types::CallKind, types::CallTrace},
};
use trex_stf::{receipt::Receipt, state::State, transaction::Transaction};

use super::{
    account::{code, fault},
    context::{FullBlock, Rpc},
    error::RpcError,
    exec::{Budget, Run},
    json::{self, Answer, Object, put_array},
    params::{self, BlockId, Params},
    reader::{Reader, SealedHeader, TxPlace},
    shapes::{Brief, Place, put_block_fields, put_receipt, put_transaction},
    trace::{Traced, inspect_at},
    watch::Recording,
};

/// Most transactions on one page.
const MAX_PAGE: u64 = 1000;

/// `ots_getApiLevel()`.
pub fn ots_get_api_level<R: Reader>(_rpc: &Rpc<'_, R>, _params: &Params<'_>) -> Answer {
    json::value(&8)
}

/// `ots_hasCode(address, block)`.
pub fn ots_has_code<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let address = params.required(0, params::address)?;
    let id = params.optional(1, params::block_id)?.unwrap_or(BlockId::Latest);
    json::value(&!code(&rpc.snapshot(id)?.overlay(), &address)?.is_empty())
}

fn place_of<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Result<TxPlace, RpcError> {
    let hash = params.required(0, params::hash)?;
    rpc.reader.locate(&hash)?.ok_or_else(|| RpcError::server(format!("transaction {hash} not found")))
}

/// `ots_getInternalOperations(hash)`.
pub fn ots_get_internal_operations<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let inspector = InternalOperationsInspector::default();
    let run = inspect_at(rpc, place_of(rpc, params)?, inspector, Recording::Calls)?;
    json::value(&run.map(|run| run.inspector.into_operations()).unwrap_or_default())
}

/// `ots_getTransactionError(hash)`: what a failed transaction returned.
pub fn ots_get_transaction_error<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let place = place_of(rpc, params)?;
    let failed = rpc.reader.receipt(place.0, place.1)?.is_some_and(|(receipt, _)| !receipt.success);
    if !failed {
        return json::data(&[]);
    }
    let run = inspect_at(rpc, place, revm::inspector::NoOpInspector, Recording::Nothing)?;
    let output = run.and_then(|run| run.result.into_output()).unwrap_or_default();
    json::data(&output)
}

fn calls<R: Reader>(rpc: &Rpc<'_, R>, place: TxPlace) -> Result<Option<Run<TracingInspector>>, RpcError> {
    inspect_at(rpc, place, TracingInspector::new(call_recording()), Recording::Calls)
}

/// What is recorded of calls.
fn call_recording() -> TracingInspectorConfig {
    TracingInspectorConfig::none().set_record_inputs(true)
}

/// `ots_traceTransaction(hash)`: the calls in the order they were made.
pub fn ots_trace_transaction<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let Some(run) = calls(rpc, place_of(rpc, params)?)? else { return json::value::<[u8]>(&[]) };
    let entries: Vec<TraceEntry> =
        run.inspector.traces().nodes().iter().map(|node| entry(&node.trace)).collect();
    rpc.bounded(json::value(&entries)?)
}

fn entry(trace: &CallTrace) -> TraceEntry {
    let no_value = matches!(trace.kind, CallKind::DelegateCall | CallKind::StaticCall);
    TraceEntry {
        r#type: trace.kind.to_str().into(),
        depth: trace.depth as u32,
        from: trace.caller,
        to: trace.address,
        value: (!no_value).then_some(trace.value),
        input: trace.data.clone(),
        output: trace.output.clone(),
    }
}

fn block_at<R: Reader>(rpc: &Rpc<'_, R>, id: BlockId) -> Result<Option<FullBlock>, RpcError> {
    rpc.block(id, true)
}

fn put_slim_block(object: &mut Object<'_>, block: &FullBlock) {
    put_block_fields(object, block);
    // A plain number, as anvil and Otterscan have it.
    object.raw("transactionCount", block.transactions.len().to_string().as_bytes());
}

fn details<R: Reader>(rpc: &Rpc<'_, R>, id: BlockId) -> Answer {
    let Some(block) = block_at(rpc, id)? else { return json::null() };
    let fees = block.receipts.iter().fold(U256::ZERO, |sum, receipt| {
        sum + U256::from(receipt.effective_gas_price_wei) * U256::from(receipt.gas_used)
            + receipt.l1_fee.map_or(U256::ZERO, |fee| fee.fee_wei)
    });
    let mut out = Vec::with_capacity(2048);
    let mut object = Object::open(&mut out);
    let mut slim = Object::open(object.key("block"));
    put_slim_block(&mut slim, &block);
    slim.close();
    let mut issuance = Object::open(object.key("issuance"));
    for name in ["blockReward", "uncleReward", "issuance"] {
        issuance.number(name, 0u64);
    }
    issuance.close();
    object.big("totalFees", fees);
    object.close();
    Ok(out)
}

/// `ots_getBlockDetails(block)`.
pub fn ots_get_block_details<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    details(rpc, params.required(0, params::block_number)?)
}

/// `ots_getBlockDetailsByHash(hash)`.
pub fn ots_get_block_details_by_hash<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    details(rpc, BlockId::Hash(params.required(0, params::hash)?))
}

/// `ots_getBlockTransactions(block, page, size)`: page 0 is the end of the block.
pub fn ots_get_block_transactions<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let id = params.required(0, params::block_number)?;
    let page = params.required(1, params::number)?;
    let size = params.required(2, params::number)?.min(MAX_PAGE);
    let Some(block) = block_at(rpc, id)? else { return json::null() };
    let count = block.transactions.len() as u64;
    let end = count.saturating_sub(page.saturating_mul(size));
    let shown = end.saturating_sub(size) as usize..end as usize;

    let mut out = Vec::with_capacity(2048 + shown.len() * 1200);
    let place = Place::first(&block.header, block.hash);
    let mut object = Object::open(&mut out);
    let mut full = Object::open(object.key("fullblock"));
    put_slim_block(&mut full, &block);
    put_array(full.key("transactions"), shown.clone(), |out, index| {
        put_with_short_input(out, &block.transactions[index], &block.receipts[index], &place.at(index));
    });
    full.close();
    put_array(object.key("receipts"), shown, |out, index| {
        let (tx, receipt) = (&block.transactions[index], &block.receipts[index]);
        put_receipt(out, tx, receipt, &place.at(index), 0, Brief(true));
    });
    object.close();
    rpc.bounded(out)
}

/// A transaction whose input is cut to its first four bytes.
fn put_with_short_input(out: &mut Vec<u8>, tx: &Transaction, receipt: &Receipt, place: &Place) {
    let mut whole = Vec::new();
    put_transaction(&mut whole, tx, Some(place), receipt.deposit_nonce);
    const KEY: &[u8] = b"\"input\":\"0x";
    let Some(at) = whole.windows(KEY.len()).position(|window| window == KEY) else {
        return out.extend_from_slice(&whole);
    };
    let start = at + KEY.len();
    let end = whole[start..].iter().position(|byte| *byte == b'"').map_or(whole.len(), |end| start + end);
    out.extend_from_slice(&whole[..end.min(start + 8)]);
    out.extend_from_slice(&whole[end..]);
}

/// Transactions found for an address, whole blocks at a time.
struct Page {
    places: Vec<TxPlace>,
    /// Whether the search came to the end of the chain.
    exhausted: bool,
}

/// Takes places until the page is full, then on to the end of the block it is in.
struct Pager {
    page: Page,
    size: usize,
}

impl Pager {
    fn new(size: usize) -> Self {
        Self { page: Page { places: Vec::new(), exhausted: true }, size }
    }

    fn take(&mut self, place: TxPlace) -> bool {
        let full = self.page.places.len() >= self.size;
        let same_block = self.page.places.last().is_some_and(|last| last.0 == place.0);
        if full && !same_block {
            self.page.exhausted = false;
            return false;
        }
        self.page.places.push(place);
        true
    }
}

fn search_params<R: Reader>(
    rpc: &Rpc<'_, R>,
    params: &Params<'_>,
) -> Result<(Address, u64, usize), RpcError> {
    if !rpc.reader.indexes_addresses() {
        return Err(RpcError::server("transactions are not indexed by address on this node"));
    }
    let address = params.required(0, params::address)?;
    let block = params.required(1, params::number)?;
    let size = params.required(2, params::number)?.min(MAX_PAGE);
    Ok((address, block, size as usize))
}

/// `ots_searchTransactionsBefore(address, block, size)`: newest first; block 0 is behind the head.
pub fn ots_search_transactions_before<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let (address, block, size) = search_params(rpc, params)?;
    let mut pager = Pager::new(size);
    let last = if block == 0 { u64::MAX } else { block - 1 };
    rpc.reader.appearances_back(&address, (last, u32::MAX), &mut |place| pager.take(place))?;
    found(rpc, &pager.page.places, block == 0, pager.page.exhausted)
}

/// `ots_searchTransactionsAfter(address, block, size)`: newest first; block 0 is before the chain.
pub fn ots_search_transactions_after<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let (address, block, size) = search_params(rpc, params)?;
    let mut pager = Pager::new(size);
    let first = if block == 0 { 0 } else { block.saturating_add(1) };
    rpc.reader.appearances_from(&address, (first, 0), &mut |place| pager.take(place))?;
    pager.page.places.reverse();
    found(rpc, &pager.page.places, pager.page.exhausted, block == 0)
}

fn found<R: Reader>(rpc: &Rpc<'_, R>, places: &[TxPlace], first_page: bool, last_page: bool) -> Answer {
    let mut items = Vec::with_capacity(places.len());
    for (number, index) in places {
        if let Some(item) = load(rpc, (*number, *index))? {
            items.push((item, *index));
        }
    }
    let mut out = Vec::with_capacity(256 + items.len() * 1600);
    let mut object = Object::open(&mut out);
    put_array(object.key("txs"), &items, |out, ((header, tx, receipt), index)| {
        let place = Place::first(header.inner(), Some(header.hash())).at(*index as usize);
        put_transaction(out, tx, Some(&place), receipt.deposit_nonce);
    });
    put_array(object.key("receipts"), &items, |out, ((header, tx, receipt), index)| {
        let place = Place::first(header.inner(), Some(header.hash())).at(*index as usize);
        put_receipt(out, tx, receipt, &place, 0, Brief(true));
    });
    object.boolean("firstPage", first_page);
    object.boolean("lastPage", last_page);
    object.close();
    rpc.bounded(out)
}

type Item = (SealedHeader, Transaction, Receipt);

fn load<R: Reader>(rpc: &Rpc<'_, R>, (number, index): TxPlace) -> Result<Option<Item>, RpcError> {
    let header = rpc.reader.header(number)?;
    let tx = rpc.reader.transaction(number, index)?;
    let receipt = rpc.reader.receipt(number, index)?;
    Ok(header.zip(tx).zip(receipt).map(|((header, tx), (receipt, _))| (header, tx, receipt)))
}

/// `ots_getTransactionBySenderAndNonce(sender, nonce)`.
pub fn ots_get_transaction_by_sender_and_nonce<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let sender = params.required(0, params::address)?;
    let nonce = params.required(1, params::number)?;
    let Some((number, index)) = rpc.reader.by_sender_and_nonce(&sender, nonce)? else { return json::null() };
    match rpc.reader.transaction(number, index)? {
        Some(tx) => json::value(&tx.hash()),
        None => json::null(),
    }
}

/// `ots_getContractCreator(address)`.
pub fn ots_get_contract_creator<R: Reader>(rpc: &Rpc<'_, R>, params: &Params<'_>) -> Answer {
    let contract = params.required(0, params::address)?;
    if let Some((number, index)) = rpc.reader.creation(&contract)? {
        let Some(tx) = rpc.reader.transaction(number, index)? else { return json::null() };
        return Ok(creator(tx.hash(), tx.sender()));
    }
    match created_within(rpc, &contract)? {
        Some((hash, by)) => Ok(creator(hash, by)),
        None => json::null(),
    }
}

fn creator(hash: B256, by: Address) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    let mut object = Object::open(&mut out);
    object.hex("hash", hash);
    object.hex("creator", by);
    object.close();
    out
}

fn has_code<R: Reader>(rpc: &Rpc<'_, R>, contract: &Address, number: u64) -> Result<bool, RpcError> {
    let account = rpc.reader.kept_state(number)?.account(contract).map_err(fault)?;
    Ok(account.is_some_and(|account| account.code_hash != KECCAK256_EMPTY))
}

/// A contract that another contract created: the block is where its code appears in the kept states.
fn created_within<R: Reader>(
    rpc: &Rpc<'_, R>,
    contract: &Address,
) -> Result<Option<(B256, Address)>, RpcError> {
    let (mut without, mut with) = (0, rpc.reader.head()?.number);
    if !has_code(rpc, contract, with)? || has_code(rpc, contract, without)? {
        return Ok(None);
    }
    while with - without > 1 {
        let middle = without + (with - without) / 2;
        if has_code(rpc, contract, middle)? {
            with = middle;
        } else {
            without = middle;
        }
    }
    // The block is executed once, and within the time of one trace.
    let Some(traced) = Traced::load(rpc, BlockId::Number(with))? else { return Ok(None) };
    let budget = Budget::of_trace(rpc.limits);
    let parent = traced.parent_state(rpc)?;
    let mut replay = traced.replay(rpc, &parent)?;
    while let Some(tx) = replay.upcoming() {
        replay.prepare()?;
        let inspector = TracingInspector::new(call_recording());
        let Some(run) = replay.peek(inspector, Recording::Calls, &budget)? else {
            replay.pass(None)?;
            continue;
        };
        let made = run.inspector.traces().nodes().iter().map(|node| &node.trace).find(|trace| {
            trace.success
                && trace.address == *contract
                && matches!(trace.kind, CallKind::Create | CallKind::Create2)
        });
        if let Some(trace) = made {
            return Ok(Some((tx.hash(), trace.caller)));
        }
        replay.pass(Some(&run.changes))?;
    }
    Ok(None)
}
