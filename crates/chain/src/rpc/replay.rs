//! Executing a known block again, transaction by transaction, to look inside.

use alloy_consensus::Header;
use alloy_primitives::U256;
use op_alloy_consensus::OpTxEnvelope;
use revm::{
    context::TxEnv,
    context_interface::JournalTr as _,
    inspector::{Inspector, NoOpInspector},
    interpreter::interpreter::EthInterpreter,
    state::EvmState,
};
use trex_stf::{
    block::Overwrite,
    deposits::announced_origin,
    evm::{StateContext, evm, system_calls, tx_env},
    params::NetworkParams,
    receipt::Receipt,
    state::State,
    transaction::Transaction,
};

use super::{
    context::FullBlock,
    error::{INTERNAL, RpcError},
    exec::{Budget, Env, Run, RunError, run, run_all},
    overlay::Overlay,
    watch::Recording,
};

/// A block being executed again over its parent's state.
#[derive(Debug)]
pub struct Replay<'a, 'b, S> {
    /// State before the next transaction.
    pub state: Overlay<'a, S>,
    /// The block's rules and facts.
    pub env: Env,
    transactions: &'b [Transaction],
    receipts: &'b [Receipt],
    overwrites: &'b [Overwrite],
    next: usize,
}

fn fault(error: impl std::fmt::Display) -> RpcError {
    RpcError::new(INTERNAL, error.to_string())
}

impl<'a, 'b, S: State> Replay<'a, 'b, S> {
    /// Opens the block: the system calls are done.
    pub fn new(
        params: &NetworkParams,
        block: &'b FullBlock,
        overwrites: &'b [Overwrite],
        parent_state: &'a S,
    ) -> Result<Self, RpcError> {
        let env = Env::of_block(params, &block.header);
        let mut state = Overlay::new(parent_state);
        let changes = system_changes(&state, &env, &block.header)?;
        state.commit(&changes);
        let mut replay = Self {
            state,
            env,
            transactions: &block.transactions,
            receipts: &block.receipts,
            overwrites,
            next: 0,
        };
        replay.overwrite()?;
        Ok(replay)
    }

    /// Development networks overwrite state behind the L1 attributes, before anything else.
    fn overwrite(&mut self) -> Result<(), RpcError> {
        let attributes = |tx: &Transaction| announced_origin(tx).is_some();
        if self.overwrites.is_empty() || self.upcoming().is_some_and(attributes) {
            return Ok(());
        }
        for overwrite in std::mem::take(&mut self.overwrites) {
            self.state.overwrite(overwrite).map_err(fault)?;
        }
        Ok(())
    }

    /// Executes what comes before the transaction at `index`.
    pub fn advance(&mut self, index: usize, budget: &Budget) -> Result<(), RpcError> {
        while self.next < index.min(self.transactions.len()) {
            if self.transactions[self.next].is_deposit() {
                let inspector = NoOpInspector;
                self.step(inspector, Recording::Nothing, budget)?;
                continue;
            }
            let rest = &self.transactions[self.next..index.min(self.transactions.len())];
            let plain = rest.iter().take_while(|tx| !tx.is_deposit()).count();
            let steps = (self.next..self.next + plain)
                .map(|at| (tx_env(&self.transactions[at]), self.l1_fee_wei(at)));
            let changes = run_all(&self.state, &self.env, steps, budget)?;
            self.state.commit(&changes);
            self.next += plain;
        }
        Ok(())
    }

    fn l1_fee_wei(&self, index: usize) -> U256 {
        self.receipts.get(index).and_then(|receipt| receipt.l1_fee).map_or(U256::ZERO, |fee| fee.fee_wei)
    }

    /// The transaction to come.
    pub fn upcoming(&self) -> Option<&'b Transaction> {
        self.transactions.get(self.next)
    }

    /// What revm is told of the transaction to come.
    pub fn upcoming_env(&self) -> Option<TxEnv> {
        self.upcoming().map(tx_env)
    }

    /// Executes the next transaction under the eyes of `inspector`, without going on behind it: that
    /// is [`Self::pass`]. `None` for a deposit that could not run.
    pub fn peek<I>(
        &self,
        inspector: I,
        recording: Recording,
        budget: &Budget,
    ) -> Result<Option<Run<I>>, RpcError>
    where
        I: for<'s> Inspector<StateContext<'s, Overlay<'a, S>>, EthInterpreter>,
    {
        let Some(tx) = self.upcoming() else { return Ok(None) };
        let mut env = self.env.clone();
        if tx.is_deposit() {
            env.cfg.disable_nonce_check = true;
            env.cfg.disable_base_fee = true;
            env.cfg.disable_eip3607 = true;
        }
        match run(&self.state, &env, tx_env(tx), self.l1_fee_wei(self.next), inspector, recording, budget) {
            Ok(run) => Ok(Some(run)),
            Err(RunError::Invalid(..)) if tx.is_deposit() => Ok(None),
            Err(RunError::Invalid(_, message)) => Err(fault(message)),
            Err(RunError::Other(error)) => Err(error),
        }
    }

    /// Mints what a deposit mints; comes before [`Self::peek`].
    pub fn prepare(&mut self) -> Result<(), RpcError> {
        if let Some(OpTxEnvelope::Deposit(deposit)) = self.upcoming().map(Transaction::envelope)
            && deposit.mint > 0
        {
            let (from, mint) = (deposit.from, U256::from(deposit.mint));
            self.state
                .update(from, |account| account.balance = account.balance.saturating_add(mint))
                .map_err(fault)?;
        }
        Ok(())
    }

    /// Goes on behind the next transaction with what it changed.
    pub fn pass(&mut self, changes: Option<&EvmState>) -> Result<(), RpcError> {
        match (changes, self.upcoming()) {
            (Some(changes), _) => self.state.commit(changes),
            (None, Some(tx)) => {
                self.state.update(tx.sender(), |account| account.nonce += 1).map_err(fault)?
            }
            (None, None) => {}
        }
        self.next += 1;
        self.overwrite()
    }

    fn step<I>(&mut self, inspector: I, recording: Recording, budget: &Budget) -> Result<(), RpcError>
    where
        I: for<'s> Inspector<StateContext<'s, Overlay<'a, S>>, EthInterpreter>,
    {
        self.prepare()?;
        let run = self.peek(inspector, recording, budget)?;
        self.pass(run.as_ref().map(|run| &run.changes))
    }
}

/// What the system calls change at the start of a block.
pub fn system_changes<S: State>(state: &S, env: &Env, header: &Header) -> Result<EvmState, RpcError> {
    let mut evm = evm(env.cfg.clone(), env.block.clone(), state, ());
    system_calls(&mut evm, header).map_err(fault)?;
    Ok(evm.ctx.journaled_state.finalize())
}
