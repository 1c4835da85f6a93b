//! Trace of each instruction, one JSON object a line (EIP-3155, ST-011), in the words of geth's `evm`.
//!
//! As there: a line for each instruction before it runs, with its gas cost and the refund counter
//! after it is paid; a second one, with `error`, where an instruction that was paid for fails; and a
//! line with output and gas used for each call frame that ends, the transaction's being the last. What
//! the standard asks for beyond that is there too: `returnData` on each line, and a summary.

use std::{
    cell::Cell,
    io::{self, Write},
    rc::Rc,
};

use alloy_primitives::{B256, hex};
use revm::{
    bytecode::opcode::OpCode,
    context::{ContextTr, JournalTr},
    handler::FrameResult,
    inspector::Inspector,
    interpreter::{
        FrameInput, InstructionResult, Interpreter, InterpreterAction, InterpreterResult,
        interpreter::EthInterpreter,
        interpreter_types::{
            Jumps as _, LegacyBytecode as _, LoopControl as _, MemoryTr as _, ReturnData as _,
        },
    },
};
use serde::{Serialize, Serializer};

/// Writes a line for each instruction and each frame that ends.
pub struct Tracer<'a> {
    out: &'a mut dyn Write,
    with_memory: bool,
    /// The instruction that is being executed.
    step: Step,
    /// Refund counter of each open frame but the innermost, which has its own.
    outer_refunds: Vec<i64>,
    /// Refund counter of the innermost open frame.
    refund: i64,
    /// Refund for authorizations (EIP-7702), granted before the first frame.
    refund_before: Rc<Cell<u64>>,
    /// Output and gas used of the last frame that ended.
    last: (String, u64),
    result: io::Result<()>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    pc: usize,
    op: u8,
    #[serde(serialize_with = "quantity")]
    gas: u64,
    #[serde(serialize_with = "quantity")]
    gas_cost: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    memory: String,
    mem_size: usize,
    stack: Vec<String>,
    return_data: String,
    depth: usize,
    refund: i64,
    op_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct End {
    output: String,
    #[serde(serialize_with = "quantity")]
    gas_used: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    state_root: B256,
    output: String,
    #[serde(serialize_with = "quantity")]
    gas_used: u64,
    pass: bool,
}

fn quantity<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{value:#x}"))
}

impl<'a> Tracer<'a> {
    /// A tracer that writes to `out`, each instruction with the memory before it if `with_memory`;
    /// `refund_before` is set, when execution begins, to what authorizations have earned.
    pub fn new(out: &'a mut dyn Write, with_memory: bool, refund_before: Rc<Cell<u64>>) -> Self {
        Self {
            out,
            with_memory,
            step: Step::default(),
            outer_refunds: Vec::new(),
            refund: 0,
            refund_before,
            last: Default::default(),
            result: Ok(()),
        }
    }

    /// Ends the trace with the summary: state root, output, gas used, and whether the test passes.
    ///
    /// # Errors
    /// The first error in writing; the trace is cut off there.
    pub fn finish(mut self, state_root: B256, pass: bool) -> io::Result<()> {
        let (output, gas_used) = std::mem::take(&mut self.last);
        self.write(&Summary { state_root, output: format!("0x{output}"), gas_used, pass });
        self.result
    }

    fn write(&mut self, line: &impl Serialize) {
        if self.result.is_ok() {
            self.result = serde_json::to_writer(&mut *self.out, line)
                .map_err(io::Error::from)
                .and_then(|()| self.out.write_all(b"\n"));
        }
    }

    fn write_step(&mut self) {
        let step = std::mem::take(&mut self.step);
        self.write(&step);
        self.step = step;
    }
}

impl<CTX: ContextTr> Inspector<CTX, EthInterpreter> for Tracer<'_> {
    fn step(&mut self, interpreter: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        let op = interpreter.bytecode.opcode();
        let memory_size = interpreter.memory.size();
        self.step = Step {
            pc: interpreter.bytecode.pc(),
            op,
            gas: interpreter.gas.remaining(),
            gas_cost: 0,
            memory: if self.with_memory && memory_size > 0 {
                hex::encode_prefixed(&*interpreter.memory.slice(0..memory_size))
            } else {
                String::new()
            },
            mem_size: memory_size,
            stack: words(interpreter),
            return_data: hex::encode_prefixed(interpreter.return_data.buffer()),
            depth: context.journal_mut().depth(),
            refund: 0,
            op_name: OpCode::new(op)
                .map_or_else(|| format!("opcode {op:#x} not defined"), |op| op.as_str().to_owned()),
            error: None,
        };
    }

    fn step_end(&mut self, interpreter: &mut Interpreter<EthInterpreter>, _context: &mut CTX) {
        let mut result = None;
        // What a creation hands to the new contract is no cost of the instruction.
        let mut handed_on = 0;
        match interpreter.bytecode.action() {
            Some(InterpreterAction::Return(end)) => result = Some(end.result),
            Some(InterpreterAction::NewFrame(FrameInput::Create(inputs))) => handed_on = inputs.gas_limit(),
            _ => {}
        }
        self.refund = interpreter.gas.refunded();
        // Code of no length runs no instruction there; revm reads a STOP behind it.
        if interpreter.bytecode.bytecode_len() == 0 {
            return;
        }
        if !result.is_some_and(is_undefined) {
            self.step.gas_cost = self.step.gas - interpreter.gas.remaining() - handed_on;
        }
        self.step.refund =
            self.refund_before.get() as i64 + self.outer_refunds.iter().sum::<i64>() + self.refund;
        let error = result.and_then(|result| error_text(result, &self.step.op_name));
        if error.is_none() || result.is_some_and(fails_after_payment) {
            self.write_step();
        }
        if error.is_some() {
            if result.is_some_and(fails_after_payment) {
                self.step.stack = words(interpreter);
                self.step.mem_size = interpreter.memory.size();
            }
            self.step.error = error;
            self.write_step();
        }
        if result == Some(InstructionResult::SelfDestruct) {
            // A transfer to the heir counts as a frame there.
            self.write(&End { output: String::new(), gas_used: 0, error: None });
        }
    }

    fn frame_start(&mut self, _context: &mut CTX, _input: &mut FrameInput) -> Option<FrameResult> {
        self.outer_refunds.push(std::mem::take(&mut self.refund));
        None
    }

    fn frame_end(&mut self, _context: &mut CTX, input: &FrameInput, result: &mut FrameResult) {
        self.refund = self.outer_refunds.pop().unwrap_or_default();
        let gas_limit = match input {
            FrameInput::Call(inputs) => inputs.gas_limit,
            FrameInput::Create(inputs) => inputs.gas_limit(),
            FrameInput::Empty => 0,
        };
        let InterpreterResult { result, output, gas } = result.interpreter_result();
        if result.is_ok() {
            self.refund += gas.refunded();
        }
        // A failed frame has used all of its gas, unless it reverted or never began.
        let gas_used = if result.is_ok_or_revert() { gas_limit - gas.remaining() } else { gas_limit };
        let end =
            End { output: hex::encode(output), gas_used, error: error_text(*result, &self.step.op_name) };
        self.write(&end);
        self.last = (end.output, gas_used);
    }
}

fn words(interpreter: &Interpreter<EthInterpreter>) -> Vec<String> {
    interpreter.stack.data().iter().map(|word| format!("{word:#x}")).collect()
}

fn is_undefined(result: InstructionResult) -> bool {
    matches!(
        result,
        InstructionResult::OpcodeNotFound
            | InstructionResult::InvalidFEOpcode
            | InstructionResult::NotActivated
    )
}

/// Whether geth pays for an instruction before it finds that it fails so.
fn fails_after_payment(result: InstructionResult) -> bool {
    is_undefined(result)
        || matches!(
            result,
            InstructionResult::Revert
                | InstructionResult::InvalidJump
                | InstructionResult::StateChangeDuringStaticCall
                | InstructionResult::CallNotAllowedInsideStatic
                | InstructionResult::OutOfOffset
        )
}

/// What geth calls it; `None` where nothing failed.
fn error_text(result: InstructionResult, op_name: &str) -> Option<String> {
    let text = match result {
        InstructionResult::Stop | InstructionResult::Return | InstructionResult::SelfDestruct => return None,
        InstructionResult::Revert => "execution reverted",
        InstructionResult::OpcodeNotFound
        | InstructionResult::InvalidFEOpcode
        | InstructionResult::NotActivated => return Some(format!("invalid opcode: {op_name}")),
        InstructionResult::InvalidJump => "invalid jump destination",
        InstructionResult::StateChangeDuringStaticCall | InstructionResult::CallNotAllowedInsideStatic => {
            "write protection"
        }
        InstructionResult::OutOfOffset => "return data out of bounds",
        InstructionResult::CallTooDeep => "max call depth exceeded",
        InstructionResult::OutOfFunds => "insufficient balance for transfer",
        InstructionResult::CreateCollision => "contract address collision",
        InstructionResult::CreateContractSizeLimit => "max code size exceeded",
        InstructionResult::CreateInitCodeSizeLimit => "max initcode size exceeded",
        InstructionResult::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        InstructionResult::NonceOverflow => "nonce uint64 overflow",
        InstructionResult::StackUnderflow => "stack underflow",
        InstructionResult::StackOverflow => "stack limit reached 1024",
        InstructionResult::OutOfGas
        | InstructionResult::MemoryOOG
        | InstructionResult::MemoryLimitOOG
        | InstructionResult::PrecompileOOG
        | InstructionResult::InvalidOperandOOG
        | InstructionResult::ReentrancySentryOOG => "out of gas",
        other => return Some(format!("{other:?}")),
    };
    Some(text.to_owned())
}
