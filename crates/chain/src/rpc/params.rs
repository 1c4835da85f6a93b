//! Parameters of a call: by position, with geth's words for what is wrong with them.

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::RpcError;

/// Positional parameters; `null` counts as not given.
#[derive(Debug)]
pub struct Params<'a> {
    values: Vec<&'a RawValue>,
}

/// Reads one parameter; the error says what is wrong with it.
pub type Parse<T> = fn(&str) -> Result<T, String>;

impl<'a> Params<'a> {
    /// Parses a JSON array of at most `most` values.
    pub fn parse(json: &'a [u8], most: usize) -> Result<Self, RpcError> {
        let json = json.trim_ascii();
        if json.is_empty() || json == b"null" {
            return Ok(Self { values: Vec::new() });
        }
        if json[0] != b'[' {
            return Err(RpcError::params("non-array args"));
        }
        let values: Vec<&RawValue> =
            serde_json::from_slice(json).map_err(|error| RpcError::params(error.to_string()))?;
        if values.len() > most {
            return Err(RpcError::params(format!("too many arguments, want at most {most}")));
        }
        Ok(Self { values })
    }

    fn raw(&self, index: usize) -> Option<&'a str> {
        self.values.get(index).map(|value| value.get()).filter(|text| *text != "null")
    }

    /// A parameter that must be there.
    pub fn required<T>(
        &self,
        index: usize,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, RpcError> {
        self.optional(index, parse)?
            .ok_or_else(|| RpcError::params(format!("missing value for required argument {index}")))
    }

    /// A parameter that may be left out.
    pub fn optional<T>(
        &self,
        index: usize,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, RpcError> {
        self.raw(index)
            .map(|text| {
                parse(text).map_err(|why| RpcError::params(format!("invalid argument {index}: {why}")))
            })
            .transpose()
    }

    /// An object that serde can read.
    pub fn object<T: DeserializeOwned>(&self, index: usize) -> Result<T, RpcError> {
        self.required(index, object)
    }
}

/// Anything that serde can read.
pub fn object<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// What geth calls bytes of any length.
const BYTES: &str = "hexutil.Bytes";

fn cannot(what: &str, into: &str) -> String {
    format!("json: cannot unmarshal {what} into Go value of type {into}")
}

fn text<'t>(json: &'t str, into: &str) -> Result<&'t str, String> {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(|| cannot("non-string", into))
}

fn digits<'t>(json: &'t str, into: &str) -> Result<&'t str, String> {
    digits_of(text(json, into)?, into)
}

fn digits_of<'t>(text: &'t str, into: &str) -> Result<&'t str, String> {
    if text.is_empty() {
        return Err(cannot("empty hex string", into));
    }
    text.strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .ok_or_else(|| cannot("hex string without 0x prefix", into))
}

fn fixed<const N: usize>(json: &str, into: &str) -> Result<[u8; N], String> {
    let digits = digits(json, into)?;
    if digits.len() % 2 == 1 {
        return Err(cannot("hex string of odd length", into));
    }
    if digits.len() != N * 2 {
        return Err(format!("hex string has length {}, want {} for {into}", digits.len(), N * 2));
    }
    hex::decode_to_array(digits).map_err(|_| cannot("invalid hex string", into))
}

/// An address.
pub fn address(json: &str) -> Result<Address, String> {
    fixed(json, "common.Address").map(Address::new)
}

/// A 32-byte hash.
pub fn hash(json: &str) -> Result<B256, String> {
    fixed(json, "common.Hash").map(B256::new)
}

/// Bytes of any length.
pub fn bytes(json: &str) -> Result<Bytes, String> {
    data(text(json, BYTES)?)
}

/// Bytes of any length, from a string that is no JSON any more. What is no 0x-prefixed hex is refused in
/// geth's words.
pub fn data(text: &str) -> Result<Bytes, String> {
    let digits = digits_of(text, BYTES)?;
    if digits.len() % 2 == 1 {
        return Err(cannot("hex string of odd length", BYTES));
    }
    // The decoder would pass over a second prefix.
    match digits.as_bytes().get(1) {
        Some(b'x' | b'X') => Err(()),
        _ => hex::decode(digits).map(Bytes::from).map_err(|_| ()),
    }
    .map_err(|()| cannot("invalid hex string", BYTES))
}

/// A quantity of 64 bits: hex, or a plain number.
pub fn number(json: &str) -> Result<u64, String> {
    if let Ok(number) = json.parse() {
        return Ok(number);
    }
    quantity(digits(json, "hexutil.Uint64")?).map_err(|what| cannot(what, "hexutil.Uint64"))
}

fn quantity(digits: &str) -> Result<u64, &'static str> {
    if digits.is_empty() {
        return Err("hex string \"0x\"");
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err("hex number with leading zero digits");
    }
    if digits.len() > 16 {
        return Err("hex number > 64 bits");
    }
    u64::from_str_radix(digits, 16).map_err(|_| "invalid hex string")
}

/// A storage slot: up to 32 bytes of hex, zeros in front may be left out.
pub fn slot(json: &str) -> Result<U256, String> {
    let text = text(json, "string")?;
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.len() > 64 {
        return Err(format!("storage key too long (want at most 32 bytes): {text:?}"));
    }
    if digits.is_empty() {
        return Ok(U256::ZERO);
    }
    U256::from_str_radix(digits, 16).map_err(|_| format!("unable to decode storage key: {text:?}"))
}

/// `true` or `false`.
pub fn boolean(json: &str) -> Result<bool, String> {
    match json {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("json: cannot unmarshal non-boolean into Go value of type bool".into()),
    }
}

/// Which block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// The newest block.
    Latest,
    /// The newest block that follows from L1; without an L1 the newest.
    Safe,
    /// The newest block that follows from finalized L1 blocks; without an L1 the newest.
    Finalized,
    /// The block in the making.
    Pending,
    /// By number; `earliest` is 0.
    Number(u64),
    /// By hash.
    Hash(B256),
}

/// A tag or number.
pub fn block_number(json: &str) -> Result<BlockId, String> {
    if let Ok(number) = json.parse::<u64>() {
        return Ok(BlockId::Number(number));
    }
    let text = text(json, "rpc.BlockNumber")?;
    Ok(match text {
        "latest" => BlockId::Latest,
        "safe" => BlockId::Safe,
        "finalized" => BlockId::Finalized,
        "pending" => BlockId::Pending,
        "earliest" => BlockId::Number(0),
        _ => {
            let digits = text
                .strip_prefix("0x")
                .or_else(|| text.strip_prefix("0X"))
                .ok_or_else(|| "hex string without 0x prefix".to_string())?;
            let number = quantity(digits)?;
            if number > i64::MAX as u64 {
                return Err("block number larger than int64".into());
            }
            BlockId::Number(number)
        }
    })
}

/// A tag, a number, a hash, or an object with `blockNumber` or `blockHash`.
pub fn block_id(json: &str) -> Result<BlockId, String> {
    if json.starts_with('{') {
        return block_object(json);
    }
    if json.len() == 68 && (json.starts_with("\"0x") || json.starts_with("\"0X")) {
        return hash(json).map(BlockId::Hash);
    }
    block_number(json)
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockObject<'a> {
    #[serde(borrow)]
    block_number: Option<&'a RawValue>,
    #[serde(borrow)]
    block_hash: Option<&'a RawValue>,
}

fn block_object(json: &str) -> Result<BlockId, String> {
    let object: BlockObject<'_> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    match (object.block_number, object.block_hash) {
        (Some(_), Some(_)) => {
            Err("cannot specify both BlockHash and BlockNumber, choose one or the other".into())
        }
        (Some(number), None) => block_number(number.get()),
        (None, Some(hash_text)) => hash(hash_text.get()).map(BlockId::Hash),
        (None, None) => Err("invalid arguments; neither block nor hash specified".into()),
    }
}
