//! A contract that does what its calldata says, and codes around it.
//!
//! Calldata is a sequence of instructions: operation (1 byte), `a` (32), `b` (32), length of the
//! payload (2), payload.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use revm::bytecode::opcode as op;

#[derive(Clone, Debug)]
pub enum Do {
    Store {
        slot: u64,
        value: u64,
    },
    /// Slot `to` takes the value of slot `from`.
    Copy {
        to: u64,
        from: u64,
    },
    CodeHash {
        slot: u64,
        of: Address,
    },
    Balance {
        slot: u64,
        of: Address,
    },
    /// Stores the gas left: tells warm from cold.
    Gas {
        slot: u64,
    },
    Transient {
        slot: u64,
        key: u64,
    },
    BlockHash {
        slot: u64,
        number: u64,
    },
    Log {
        topic: u64,
        data: u64,
    },
    SelfDestruct {
        to: Address,
    },
    Call {
        to: Address,
        value: u64,
        data: Vec<u8>,
    },
    Delegate {
        to: Address,
        data: Vec<u8>,
    },
    /// Stores a hash of success and returned bytes.
    Static {
        to: Address,
        slot: u64,
        data: Vec<u8>,
    },
    Create {
        value: u64,
        init: Vec<u8>,
    },
    Create2 {
        salt: u64,
        value: u64,
        init: Vec<u8>,
    },
    Revert,
    BurnGas,
    Invalid,
}

pub fn script(steps: &[Do]) -> Vec<u8> {
    let mut out = Vec::new();
    let word = |address: &Address| U256::from_be_slice(address.as_slice());
    for step in steps {
        let n = U256::from::<u64>;
        let none = Vec::new();
        let (code, a, b, payload) = match step {
            Do::Store { slot, value } => (1u8, n(*slot), n(*value), &none),
            Do::Copy { to, from } => (2, n(*to), n(*from), &none),
            Do::CodeHash { slot, of } => (3, n(*slot), word(of), &none),
            Do::Balance { slot, of } => (4, n(*slot), word(of), &none),
            Do::Gas { slot } => (5, n(*slot), U256::ZERO, &none),
            Do::Transient { slot, key } => (6, n(*slot), n(*key), &none),
            Do::BlockHash { slot, number } => (7, n(*slot), n(*number), &none),
            Do::Log { topic, data } => (8, n(*topic), n(*data), &none),
            Do::SelfDestruct { to } => (9, word(to), U256::ZERO, &none),
            Do::Call { to, value, data } => (10, word(to), n(*value), data),
            Do::Delegate { to, data } => (11, word(to), U256::ZERO, data),
            Do::Static { to, slot, data } => (12, word(to), n(*slot), data),
            Do::Create { value, init } => (13, U256::ZERO, n(*value), init),
            Do::Create2 { salt, value, init } => (14, n(*salt), n(*value), init),
            Do::Revert => (15, U256::ZERO, U256::ZERO, &none),
            Do::BurnGas => (16, U256::ZERO, U256::ZERO, &none),
            Do::Invalid => (17, U256::ZERO, U256::ZERO, &none),
        };
        out.push(code);
        out.extend(a.to_be_bytes::<32>());
        out.extend(b.to_be_bytes::<32>());
        out.extend((payload.len() as u16).to_be_bytes());
        out.extend(payload);
    }
    out
}

/// Bytecode under construction, with labels.
#[derive(Default)]
pub struct Assembler {
    code: Vec<u8>,
    labels: Vec<Option<usize>>,
    uses: Vec<(usize, usize)>,
}

impl Assembler {
    pub fn op(&mut self, ops: &[u8]) -> &mut Self {
        self.code.extend(ops);
        self
    }

    pub fn push(&mut self, value: u64) -> &mut Self {
        let bytes = value.to_be_bytes();
        let skip = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
        self.code.push(op::PUSH1 + (7 - skip) as u8);
        self.code.extend(&bytes[skip..]);
        self
    }

    pub fn push_word(&mut self, value: &[u8; 32]) -> &mut Self {
        self.code.push(op::PUSH32);
        self.code.extend(value);
        self
    }

    pub fn label(&mut self) -> usize {
        self.labels.push(None);
        self.labels.len() - 1
    }

    pub fn place(&mut self, label: usize) -> &mut Self {
        self.labels[label] = Some(self.code.len());
        self.op(&[op::JUMPDEST])
    }

    pub fn push_label(&mut self, label: usize) -> &mut Self {
        self.code.push(op::PUSH2);
        self.uses.push((self.code.len(), label));
        self.code.extend([0, 0]);
        self
    }

    pub fn finish(mut self) -> Vec<u8> {
        for (at, label) in self.uses {
            let target = self.labels[label].expect("placed") as u16;
            self.code[at..at + 2].copy_from_slice(&target.to_be_bytes());
        }
        self.code
    }
}

const A: u64 = 0;
const B: u64 = 0x20;
const LENGTH: u64 = 0x60;
const PAYLOAD: u64 = 0x80;

/// The contract that runs [`script`]s.
pub fn interpreter() -> Vec<u8> {
    let mut asm = Assembler::default();
    let (start, end, next) = (asm.label(), asm.label(), asm.label());
    let handlers: Vec<usize> = (0..17).map(|_| asm.label()).collect();
    asm.push(0).place(start);
    asm.op(&[op::DUP1, op::CALLDATASIZE, op::GT, op::ISZERO]).push_label(end).op(&[op::JUMPI]);
    asm.op(&[op::DUP1]).push(1).op(&[op::ADD, op::CALLDATALOAD]).push(A).op(&[op::MSTORE]);
    asm.op(&[op::DUP1]).push(33).op(&[op::ADD, op::CALLDATALOAD]).push(B).op(&[op::MSTORE]);
    asm.op(&[op::DUP1]).push(65).op(&[op::ADD, op::CALLDATALOAD]).push(240).op(&[op::SHR]);
    asm.push(LENGTH).op(&[op::MSTORE]);
    asm.push(LENGTH).op(&[op::MLOAD, op::DUP2]).push(67).op(&[op::ADD]).push(PAYLOAD).op(&[op::CALLDATACOPY]);
    asm.op(&[op::DUP1, op::CALLDATALOAD]).push(0).op(&[op::BYTE]);
    for (index, handler) in handlers.iter().enumerate() {
        asm.op(&[op::DUP1]).push(index as u64 + 1).op(&[op::EQ]).push_label(*handler).op(&[op::JUMPI]);
    }
    asm.op(&[op::STOP]);
    asm.place(next).op(&[op::POP]).push(LENGTH).op(&[op::MLOAD, op::ADD]).push(67).op(&[op::ADD]);
    asm.push_label(start).op(&[op::JUMP]);
    asm.place(end).op(&[op::STOP]);

    for (index, handler) in handlers.iter().enumerate() {
        asm.place(*handler);
        let load = |asm: &mut Assembler, at: u64| {
            asm.push(at).op(&[op::MLOAD]);
        };
        match index + 1 {
            1 => {
                load(&mut asm, B);
                load(&mut asm, A);
                asm.op(&[op::SSTORE]);
            }
            code @ (2..=5 | 7) => {
                load(&mut asm, B);
                let read: &[u8] = match code {
                    2 => &[op::SLOAD],
                    3 => &[op::EXTCODEHASH],
                    4 => &[op::BALANCE],
                    5 => &[op::POP, op::GAS],
                    _ => &[op::BLOCKHASH],
                };
                asm.op(read);
                load(&mut asm, A);
                asm.op(&[op::SSTORE]);
            }
            6 => {
                load(&mut asm, B);
                asm.op(&[op::TLOAD]).push(1).op(&[op::ADD, op::DUP1]);
                load(&mut asm, B);
                asm.op(&[op::TSTORE]);
                load(&mut asm, A);
                asm.op(&[op::SSTORE]);
            }
            8 => {
                load(&mut asm, A);
                asm.push(32).push(B).op(&[op::LOG1]);
            }
            9 => {
                load(&mut asm, A);
                asm.op(&[op::SELFDESTRUCT]);
            }
            10 => {
                asm.push(0).push(0);
                load(&mut asm, LENGTH);
                asm.push(PAYLOAD);
                load(&mut asm, B);
                load(&mut asm, A);
                asm.op(&[op::GAS, op::CALL, op::POP]);
            }
            code @ (11 | 12) => {
                asm.push(0).push(0);
                load(&mut asm, LENGTH);
                asm.push(PAYLOAD);
                load(&mut asm, A);
                asm.op(&[op::GAS, if code == 11 { op::DELEGATECALL } else { op::STATICCALL }]);
                if code == 11 {
                    asm.op(&[op::POP]);
                } else {
                    // keccak(returned bytes) + success
                    asm.op(&[op::RETURNDATASIZE]).push(0).push(PAYLOAD).op(&[op::RETURNDATACOPY]);
                    asm.op(&[op::RETURNDATASIZE]).push(PAYLOAD).op(&[op::KECCAK256, op::ADD]);
                    load(&mut asm, B);
                    asm.op(&[op::SSTORE]);
                }
            }
            13 => {
                load(&mut asm, LENGTH);
                asm.push(PAYLOAD);
                load(&mut asm, B);
                asm.op(&[op::CREATE, op::POP]);
            }
            14 => {
                load(&mut asm, A);
                load(&mut asm, LENGTH);
                asm.push(PAYLOAD);
                load(&mut asm, B);
                asm.op(&[op::CREATE2, op::POP]);
            }
            15 => {
                asm.push(64).push(0).op(&[op::REVERT]);
            }
            16 => {
                let again = asm.label();
                asm.place(again).push_label(again).op(&[op::JUMP]);
            }
            _ => {
                asm.op(&[op::INVALID]);
            }
        }
        asm.push_label(next).op(&[op::JUMP]);
    }
    asm.finish()
}

/// Init code that writes slots, then leaves `runtime`.
pub fn init_code(writes: &[(u64, u64)], runtime: &[u8]) -> Vec<u8> {
    let mut asm = Assembler::default();
    for (slot, value) in writes {
        asm.push(*value).push(*slot).op(&[op::SSTORE]);
    }
    let mut code = asm.finish();
    let length = (runtime.len() as u16).to_be_bytes();
    let at = (code.len() as u16 + 15).to_be_bytes();
    code.extend([op::PUSH2, length[0], length[1], op::PUSH2, at[0], at[1], op::PUSH1, 0, op::CODECOPY]);
    code.extend([op::PUSH2, length[0], length[1], op::PUSH1, 0, op::RETURN]);
    code.extend(runtime);
    code
}

pub fn create2_address(creator: Address, salt: u64, init: &[u8]) -> Address {
    creator.create2(B256::from(U256::from(salt)), keccak256(init))
}

/// What the L1Block predeploy does with `setL1BlockValuesEcotone`, unguarded.
pub fn l1_block() -> Bytes {
    let mut asm = Assembler::default();
    for (slot, at, shift) in [(3, 4, 128), (0, 20, 128), (1, 36, 0), (7, 68, 0), (2, 100, 0), (4, 132, 0)] {
        asm.push(at).op(&[op::CALLDATALOAD]).push(shift).op(&[op::SHR]).push(slot).op(&[op::SSTORE]);
    }
    asm.op(&[op::STOP]);
    asm.finish().into()
}
