//! Logs of a call in order, with a Transfer log for each transfer of ether (`traceTransfers`).

use alloy_primitives::{Address, B256, Log, LogData, U256, address, b256};
use revm::{
    context_interface::{ContextTr, JournalTr as _},
    inspector::Inspector,
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, interpreter::EthInterpreter},
};

/// Emitter of the logs that stand for transfers of ether (execution-apis, simulateV1).
const ETHER: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// Collects logs call by call; what a failing call logged is forgotten.
#[derive(Debug, Default)]
pub struct TransferLogs {
    enabled: bool,
    open: Vec<Vec<Log>>,
    done: Vec<Log>,
}

impl TransferLogs {
    /// Collects if `enabled`.
    pub fn new(enabled: bool) -> Self {
        Self { enabled, ..Self::default() }
    }

    /// The logs of what succeeded.
    pub fn into_logs(self) -> Vec<Log> {
        self.done
    }

    fn begin(&mut self, from: Address, to: Address, value: U256) {
        if self.enabled {
            self.open.push(Vec::new());
            self.transfer(from, to, value);
        }
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if value.is_zero() {
            return;
        }
        let topics = vec![TRANSFER, from.into_word(), to.into_word()];
        let data = LogData::new_unchecked(topics, value.to_be_bytes::<32>().into());
        self.push(Log { address: ETHER, data });
    }

    fn push(&mut self, log: Log) {
        if let Some(logs) = self.open.last_mut() {
            logs.push(log);
        }
    }

    fn end(&mut self, success: bool) {
        let Some(logs) = self.open.pop().filter(|_| success) else { return };
        self.open.last_mut().unwrap_or(&mut self.done).extend(logs);
    }
}

impl<CTX: ContextTr> Inspector<CTX, EthInterpreter> for TransferLogs {
    fn log(&mut self, _context: &mut CTX, log: Log) {
        self.push(log);
    }

    fn call(&mut self, _context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let value = inputs.transfer_value().unwrap_or_default();
        self.begin(inputs.transfer_from(), inputs.transfer_to(), value);
        None
    }

    fn call_end(&mut self, _context: &mut CTX, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.end(outcome.result.result.is_ok());
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let nonce =
            context.journal_mut().load_account(inputs.caller()).map_or(0, |account| account.data.info.nonce);
        self.begin(inputs.caller(), inputs.created_address(nonce), inputs.value());
        None
    }

    fn create_end(&mut self, _context: &mut CTX, _inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.end(outcome.result.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}
