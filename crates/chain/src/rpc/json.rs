//! Writing JSON: what is answered a million times is written straight into bytes.

use alloy_primitives::{U256, hex};
use serde::Serialize;

use super::error::{INTERNAL, RpcError};

/// The result of a method: JSON.
pub type Answer = Result<Vec<u8>, RpcError>;

/// `null`.
pub fn null() -> Answer {
    Ok(b"null".to_vec())
}

/// Anything that serde can write.
pub fn value<T: Serialize + ?Sized>(value: &T) -> Answer {
    serde_json::to_vec(value).map_err(|error| RpcError::new(INTERNAL, error.to_string()))
}

/// A hex quantity.
pub fn quantity(number: u64) -> Answer {
    let mut out = Vec::with_capacity(20);
    put_number(&mut out, number);
    Ok(out)
}

/// A hex quantity of up to 256 bits.
pub fn big_quantity(number: U256) -> Answer {
    let mut out = Vec::with_capacity(68);
    put_big(&mut out, number);
    Ok(out)
}

/// Hex data.
pub fn data(bytes: &[u8]) -> Answer {
    let mut out = Vec::with_capacity(bytes.len() * 2 + 4);
    put_hex(&mut out, bytes);
    Ok(out)
}

/// Appends a hex quantity, quoted.
pub fn put_number(out: &mut Vec<u8>, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\"0x");
    let nibbles = (64 - number.leading_zeros()).div_ceil(4).max(1);
    for at in (0..nibbles).rev() {
        out.push(DIGITS[(number >> (at * 4) & 0xf) as usize]);
    }
    out.push(b'"');
}

/// Appends a hex quantity of up to 256 bits, quoted.
pub fn put_big(out: &mut Vec<u8>, number: U256) {
    match u64::try_from(number) {
        Ok(small) => put_number(out, small),
        Err(_) => out.extend_from_slice(format!("\"{number:#x}\"").as_bytes()),
    }
}

/// Appends hex data, quoted.
pub fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"\"0x");
    let start = out.len();
    out.resize(start + bytes.len() * 2, 0);
    if hex::encode_to_slice(bytes, &mut out[start..]).is_err() {
        out.truncate(start);
    }
    out.push(b'"');
}

/// Appends `[` items `]`.
pub fn put_array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut put: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put(out, item);
    }
    out.push(b']');
}

/// An object being written.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Opens one.
    pub fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes a key; its value is to follow.
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A hex quantity.
    pub fn number(&mut self, key: &str, number: impl Into<u64>) {
        put_number(self.key(key), number.into());
    }

    /// A hex quantity of up to 256 bits.
    pub fn big(&mut self, key: &str, number: U256) {
        put_big(self.key(key), number);
    }

    /// Hex data.
    pub fn hex(&mut self, key: &str, bytes: impl AsRef<[u8]>) {
        put_hex(self.key(key), bytes.as_ref());
    }

    /// Hex data or `null`.
    pub fn maybe_hex(&mut self, key: &str, bytes: Option<impl AsRef<[u8]>>) {
        match bytes {
            Some(bytes) => self.hex(key, bytes),
            None => self.raw(key, b"null"),
        }
    }

    /// A hex quantity or `null`.
    pub fn maybe_number(&mut self, key: &str, number: Option<u64>) {
        match number {
            Some(number) => self.number(key, number),
            None => self.raw(key, b"null"),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str, value: bool) {
        self.raw(key, if value { b"true" } else { b"false" });
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, key: &str, json: &[u8]) {
        self.key(key).extend_from_slice(json);
    }

    /// Text, escaped.
    pub fn text(&mut self, key: &str, text: &str) {
        let quoted = serde_json::Value::from(text).to_string();
        self.raw(key, quoted.as_bytes());
    }

    /// Closes it.
    pub fn close(self) {
        self.out.push(b'}');
    }
}
