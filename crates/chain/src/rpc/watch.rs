//! An inspector around another: it keeps time, bounds what is recorded, remembers the last step.

use std::time::Instant;

use alloy_primitives::{Address, Log, U256};
use revm::{
    bytecode::opcode::OpCode,
    context_interface::{ContextError, ContextTr},
    inspector::Inspector,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter,
        interpreter::EthInterpreter,
        interpreter_types::{Jumps, LoopControl, MemoryTr, ReturnData},
    },
};

/// Message of a run that took too long.
pub const TIMED_OUT: &str = "trex: time";
/// Message of a run that recorded too much.
pub const TOO_LARGE: &str = "trex: size";

/// Steps between two looks at the clock.
const STEPS_PER_CHECK: u32 = 1024;

/// The last instruction begun.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastStep {
    /// Its byte.
    pub opcode: u8,
    /// Stack items before it.
    pub stack: usize,
}

impl LastStep {
    /// Stack items it takes.
    pub fn inputs(&self) -> u8 {
        OpCode::new(self.opcode).map_or(0, |opcode| opcode.inputs())
    }

    /// Most stack items it may start with.
    pub fn stack_limit(&self) -> usize {
        OpCode::new(self.opcode)
            .map_or(1024, |opcode| 1024 + usize::from(opcode.inputs()) - usize::from(opcode.outputs()))
    }
}

/// What the inner inspector records, to estimate the size of its JSON.
#[derive(Clone, Copy, Debug, Default)]
pub enum Recording {
    /// Nothing that grows.
    #[default]
    Nothing,
    /// Calls with input and output.
    Calls,
    /// Instructions.
    Steps {
        /// With the stack.
        stack: bool,
        /// With memory.
        memory: bool,
        /// With return data.
        return_data: bool,
        /// Only so many.
        limit: u64,
    },
}

/// Bounds of one run.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// When to stop.
    pub deadline: Instant,
    /// What is recorded.
    pub recording: Recording,
    /// Most bytes of JSON it may become.
    pub max_bytes: usize,
}

/// The inspector.
#[derive(Debug)]
pub struct Watch<I> {
    /// The one inside.
    pub inner: I,
    /// The last step.
    pub last: LastStep,
    /// Estimated bytes recorded so far.
    pub recorded: usize,
    bounds: Bounds,
    steps: u64,
    unchecked: u32,
}

impl<I> Watch<I> {
    /// Watches `inner`.
    pub fn new(inner: I, bounds: Bounds) -> Self {
        Self { inner, bounds, last: LastStep::default(), recorded: 0, steps: 0, unchecked: 0 }
    }

    /// Bytes that this step adds.
    fn step_bytes(&self, interp: &Interpreter<EthInterpreter>) -> usize {
        match self.bounds.recording {
            Recording::Steps { stack, memory, return_data, limit } if limit == 0 || self.steps <= limit => {
                let mut bytes = 96;
                if stack {
                    // Most words are short; a full one takes 69 characters.
                    bytes += interp.stack.len() * 32;
                }
                if memory {
                    bytes += interp.memory.size() * 2 + interp.memory.size() / 8;
                }
                if return_data {
                    bytes += interp.return_data.buffer().len() * 2;
                }
                bytes
            }
            _ => 0,
        }
    }

    fn stop<CTX: ContextTr>(interp: &mut Interpreter<EthInterpreter>, context: &mut CTX, why: &str) {
        if context.error().is_ok() {
            *context.error() = Err(ContextError::Custom(why.into()));
        }
        interp.bytecode.action().take();
        interp.bytecode.reset_action();
        interp.halt_fatal();
    }

    fn record(&mut self, bytes: usize) {
        if matches!(self.bounds.recording, Recording::Calls) {
            self.recorded += bytes;
        }
    }
}

impl<CTX: ContextTr, I: Inspector<CTX, EthInterpreter>> Inspector<CTX, EthInterpreter> for Watch<I> {
    fn initialize_interp(&mut self, interp: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        self.inner.initialize_interp(interp, context);
    }

    fn step(&mut self, interp: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        self.last = LastStep { opcode: interp.bytecode.opcode(), stack: interp.stack.len() };
        self.steps += 1;
        self.unchecked += 1;
        if self.unchecked >= STEPS_PER_CHECK {
            self.unchecked = 0;
            if Instant::now() >= self.bounds.deadline {
                return Self::stop(interp, context, TIMED_OUT);
            }
        }
        self.recorded += self.step_bytes(interp);
        if self.recorded > self.bounds.max_bytes {
            return Self::stop(interp, context, TOO_LARGE);
        }
        self.inner.step(interp, context);
    }

    fn step_end(&mut self, interp: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        self.inner.step_end(interp, context);
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.record(400 + 2 * log.data.data.len());
        self.inner.log(context, log);
    }

    fn log_full(&mut self, interp: &mut Interpreter<EthInterpreter>, context: &mut CTX, log: Log) {
        self.record(400 + 2 * log.data.data.len());
        self.inner.log_full(interp, context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.record(320 + 2 * inputs.input.len());
        self.inner.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.record(2 * outcome.result.output.len());
        self.inner.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.record(320 + 2 * inputs.init_code().len());
        self.inner.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.record(2 * outcome.result.output.len());
        self.inner.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.inner.selfdestruct(contract, target, value);
    }

    fn frame_start(
        &mut self,
        context: &mut CTX,
        frame_input: &mut revm::interpreter::FrameInput,
    ) -> Option<revm::handler::FrameResult> {
        self.inner.frame_start(context, frame_input)
    }

    fn frame_end(
        &mut self,
        context: &mut CTX,
        frame_input: &revm::interpreter::FrameInput,
        frame_result: &mut revm::handler::FrameResult,
    ) {
        self.inner.frame_end(context, frame_input, frame_result);
    }
}
