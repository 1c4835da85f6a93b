//! Transactions to measure on.

use std::{fs::File, io::BufRead as _, path::Path};

use alloy_consensus::{SignableTransaction as _, Signed, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::{
    eip2718::{Decodable2718 as _, Encodable2718 as _},
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, keccak256};
use k256::ecdsa::SigningKey;
use serde_json::Value;

/// A block's part in a batch.
pub struct Block {
    pub time: u64,
    pub origin: u64,
    pub transactions: Vec<Bytes>,
    pub envelopes: Vec<TxEnvelope>,
}

impl Block {
    fn new(time: u64, origin: u64, envelopes: Vec<TxEnvelope>) -> Self {
        let transactions = envelopes.iter().map(|tx| tx.encoded_2718().into()).collect();
        Self { time, origin, transactions, envelopes }
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    std::io::BufReader::new(flate2::read::GzDecoder::new(file))
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

/// Blocks as RLP: `{"number", "rlp"}` a line. Blob transactions are left out.
pub fn raw_blocks(path: &Path) -> Vec<Block> {
    lines(path)
        .iter()
        .map(|line| {
            let rlp = hex::decode(line["rlp"].as_str().unwrap()).unwrap();
            let mut rest = rlp.as_slice();
            let mut payload = alloy_rlp::Header::decode_bytes(&mut rest, true).unwrap();
            alloy_rlp::Header::decode_bytes(&mut payload, true).unwrap(); // header
            let mut list = alloy_rlp::Header::decode_bytes(&mut payload, true).unwrap();
            let mut envelopes = Vec::new();
            while !list.is_empty() {
                envelopes.push(TxEnvelope::network_decode(&mut list).unwrap());
            }
            envelopes.retain(|tx| !matches!(tx, TxEnvelope::Eip4844(_)));
            Block::new(0, line["number"].as_u64().unwrap(), envelopes)
        })
        .collect()
}

/// Blocks in JSON-RPC form.
pub fn json_blocks(path: &Path) -> Vec<Block> {
    lines(path)
        .iter()
        .map(|block| {
            let envelopes =
                block["transactions"].as_array().unwrap().iter().filter_map(transaction).collect();
            Block::new(0, number(&block["number"]), envelopes)
        })
        .collect()
}

fn word(value: &Value) -> U256 {
    value.as_str().map_or(U256::ZERO, |text| text.parse().unwrap())
}

fn number(value: &Value) -> u64 {
    word(value).to()
}

fn bytes<T: From<Vec<u8>>>(value: &Value) -> T {
    hex::decode(value.as_str().unwrap()).unwrap().into()
}

fn address(value: &Value) -> Address {
    value.as_str().unwrap().parse().unwrap()
}

fn transaction(json: &Value) -> Option<TxEnvelope> {
    let kind = number(&json["type"]);
    let (nonce, gas_limit, value) = (number(&json["nonce"]), number(&json["gas"]), word(&json["value"]));
    let input: Bytes = bytes(&json["input"]);
    let to = if json["to"].is_null() { TxKind::Create } else { TxKind::Call(address(&json["to"])) };
    let gas_price: u128 = word(&json["gasPrice"]).to();
    let max_fee_per_gas: u128 = word(&json["maxFeePerGas"]).to();
    let max_priority_fee_per_gas: u128 = word(&json["maxPriorityFeePerGas"]).to();
    let chain_id = 1;
    let items = json["accessList"].as_array().map(Vec::as_slice).unwrap_or_default();
    let keys = |item: &Value| {
        item["storageKeys"].as_array().unwrap().iter().map(|key| B256::from(word(key))).collect()
    };
    let access_list = AccessList(
        items
            .iter()
            .map(|item| AccessListItem { address: address(&item["address"]), storage_keys: keys(item) })
            .collect(),
    );
    let v = number(&json["v"]);
    let parity = if kind > 0 { v == 1 } else { v % 2 == 0 };
    let signature = Signature::new(word(&json["r"]), word(&json["s"]), parity);
    Some(match kind {
        0 => {
            let chain_id = (v > 28).then_some(chain_id);
            let tx = TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input };
            TxEnvelope::Legacy(tx.into_signed(signature))
        }
        1 => {
            let tx = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
            TxEnvelope::Eip2930(tx.into_signed(signature))
        }
        2 => {
            let tx = TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to,
                value,
                access_list,
                input,
            };
            TxEnvelope::Eip1559(tx.into_signed(signature))
        }
        4 => {
            let authorization_list = json["authorizationList"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| {
                    let inner = Authorization {
                        chain_id: word(&item["chainId"]),
                        address: address(&item["address"]),
                        nonce: number(&item["nonce"]),
                    };
                    let parity = number(&item["yParity"]) as u8;
                    SignedAuthorization::new_unchecked(inner, parity, word(&item["r"]), word(&item["s"]))
                })
                .collect();
            let tx = TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to: address(&json["to"]),
                value,
                access_list,
                authorization_list,
                input,
            };
            TxEnvelope::Eip7702(tx.into_signed(signature))
        }
        _ => return None,
    })
}

/// Numbers that look random and are the same each time.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What small transactions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Micro {
    /// Ether to an address never seen before.
    Fresh,
    /// Ether between users.
    Users,
    /// ERC-20 transfers between users.
    Token,
    /// Points claimed from one contract: an id and an amount.
    Points,
}

/// `count` small transactions of `senders` accounts in blocks of `per_block`, EIP-1559.
pub fn micro(kind: Micro, count: usize, senders: usize, per_block: usize) -> Vec<Block> {
    let mut random = Random::new(1962);
    let keys: Vec<SigningKey> = (0..senders)
        .map(|index| SigningKey::from_slice(keccak256((index as u64).to_be_bytes()).as_slice()).unwrap())
        .collect();
    let addresses: Vec<Address> = keys.iter().map(|key| Address::from_public_key(key.verifying_key())).collect();
    let contract = Address::from_slice(&keccak256(b"contract")[12..]);
    let mut nonces: Vec<u64> = (0..senders).map(|_| random.below(400)).collect();
    let mut transactions = Vec::new();
    for index in 0..count {
        let sender = random.below(senders as u64) as usize;
        let user = addresses[random.below(senders as u64) as usize];
        let amount = U256::from(random.below(1000) + 1);
        let mut input = Vec::new();
        let (to, value, gas_limit) = match kind {
            Micro::Fresh => {
                let fresh = Address::from_slice(&keccak256((index as u64 + 1_000_000).to_be_bytes())[12..]);
                (fresh, amount * U256::from(10_000_000_000_000u64), 21_000)
            }
            Micro::Users => (user, amount * U256::from(10_000_000_000_000u64), 21_000),
            Micro::Token => {
                input.extend(hex!("a9059cbb"));
                input.extend(user.into_word());
                input.extend((amount * U256::from(10_000)).to_be_bytes::<32>());
                (contract, U256::ZERO, 60_000)
            }
            Micro::Points => {
                input.extend(hex!("6ba4c138"));
                input.extend(U256::from(random.below(5000)).to_be_bytes::<32>());
                input.extend(amount.to_be_bytes::<32>());
                (contract, U256::ZERO, 90_000)
            }
        };
        let tx = TxEip1559 {
            chain_id: 1962,
            nonce: nonces[sender],
            gas_limit,
            max_fee_per_gas: 20_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(to),
            value,
            access_list: AccessList::default(),
            input: input.into(),
        };
        nonces[sender] += 1;
        let (signature, recovery) = keys[sender].sign_prehash_recoverable(tx.signature_hash().as_slice()).unwrap();
        let signature = Signature::new(
            U256::from_be_slice(&signature.r().to_bytes()),
            U256::from_be_slice(&signature.s().to_bytes()),
            recovery.is_y_odd(),
        );
        transactions.push(TxEnvelope::Eip1559(Signed::new_unhashed(tx, signature)));
    }
    transactions
        .chunks(per_block)
        .enumerate()
        .map(|(index, chunk)| Block::new(index as u64, 1000 + index as u64 / 60, chunk.to_vec()))
        .collect()
}
