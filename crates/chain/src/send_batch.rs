//! Batches of JSON-RPC that hold nothing but `eth_sendRawTransaction`: from bytes to bytes.
//!
//! Whoever sends much sends such batches, and taking them apart call by call costs more than the
//! mempool does. What is in the least unusual (another method, a notification, an id that is neither a
//! whole number nor plain text, a transaction that is no string) is left to the general way.

use alloy_primitives::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    chain::Chain,
    pool::PoolError,
    rpc::{error::INVALID_PARAMS, json::put_hex, params},
};

/// Longest id that is echoed here, bytes.
const MAX_ID_BYTES: usize = 64;
/// An answer with a hash, bytes, its id left out.
const ANSWER_BYTES: usize = 112;

/// One call of a batch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call<'a> {
    jsonrpc: &'a str,
    #[serde(borrow)]
    id: &'a RawValue,
    method: &'a str,
    params: [&'a str; 1],
}

impl Call<'_> {
    fn is_plain(&self) -> bool {
        let id = self.id.get();
        let digits = id.strip_prefix('-').unwrap_or(id);
        let is_number = !digits.is_empty()
            && digits.len() < 19
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && id != "-0";
        let is_text =
            id.starts_with('"') && id.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\');
        self.jsonrpc == "2.0"
            && self.method == "eth_sendRawTransaction"
            && id.len() <= MAX_ID_BYTES
            && (is_number || is_text)
    }
}

/// A batch that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredBatch {
    /// The answer, a JSON array.
    pub json: Vec<u8>,
    /// How many transactions the mempool took.
    pub accepted: usize,
    /// How many it refused.
    pub refused: usize,
}

impl Chain {
    /// Answers batches of `eth_sendRawTransaction`, whose transactions go to the mempool together and in
    /// order. `None` for a body that is anything else, or holds more than `most` calls: nothing of it
    /// was taken in.
    pub fn submit_batches(&self, bodies: &[&[u8]], most: usize) -> Vec<Option<AnsweredBatch>> {
        let batches: Vec<_> = bodies.iter().map(|body| parse(body, most)).collect();
        let mut malformed = Vec::new();
        let mut raw = Vec::new();
        for call in batches.iter().flatten().flatten() {
            raw.push(params::data(call.params[0]).unwrap_or_else(|error| {
                malformed.push((raw.len(), error));
                Bytes::new()
            }));
        }
        let mut outcomes = self.submit(raw).into_iter().enumerate();
        let mut malformed = malformed.into_iter().peekable();
        let mut answer = |calls: Vec<Call<'_>>| {
            let mut batch = AnsweredBatch {
                json: Vec::with_capacity(calls.len() * ANSWER_BYTES),
                accepted: 0,
                refused: 0,
            };
            let out = &mut batch.json;
            out.push(b'[');
            for (call, (index, outcome)) in calls.iter().zip(outcomes.by_ref()) {
                if out.len() > 1 {
                    out.push(b',');
                }
                out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
                out.extend_from_slice(call.id.get().as_bytes());
                match (outcome, malformed.next_if(|(at, _)| *at == index)) {
                    (Ok(hash), None) => {
                        batch.accepted += 1;
                        out.extend_from_slice(b",\"result\":");
                        put_hex(out, hash.as_slice());
                    }
                    (outcome, fault) => {
                        batch.refused += 1;
                        put_error(out, outcome.err(), fault.map(|(_, error)| error));
                    }
                }
                out.push(b'}');
            }
            out.push(b']');
            batch
        };
        batches.into_iter().map(|batch| batch.map(&mut answer)).collect()
    }
}

fn parse(body: &[u8], most: usize) -> Option<Vec<Call<'_>>> {
    let calls: Vec<Call<'_>> = serde_json::from_slice(body).ok()?;
    (!calls.is_empty() && calls.len() <= most && calls.iter().all(Call::is_plain)).then_some(calls)
}

fn put_error(out: &mut Vec<u8>, refusal: Option<PoolError>, malformed: Option<String>) {
    let (code, message) = match (malformed, refusal) {
        (Some(error), _) => (INVALID_PARAMS, format!("invalid argument 0: {error}")),
        (None, Some(refusal)) => (refusal.rpc_code(), refusal.to_string()),
        (None, None) => (INVALID_PARAMS, String::new()),
    };
    out.extend_from_slice(format!(",\"error\":{{\"code\":{code},\"message\":").as_bytes());
    out.extend_from_slice(serde_json::Value::from(message).to_string().as_bytes());
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_plain_batches_are_taken() {
        let send = r#"{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x00"]}"#;
        let taken = |body: &str| parse(body.as_bytes(), 2).map(|calls| calls.len());
        assert_eq!(taken(&format!("[{send}]")), Some(1));
        assert_eq!(taken(&format!(" [ {send} ,\n{send} ] ")), Some(2));
        assert_eq!(taken(&format!("[{}]", send.replace("\"id\":1", "\"id\":\"a b\""))), Some(1));
        assert_eq!(taken(&format!("[{}]", send.replace("\"id\":1", "\"id\":-12"))), Some(1));
        for other in [
            send.to_owned(),
            "[]".into(),
            "[".into(),
            format!("[{send},{send},{send}]"),
            format!("[{send}] ") + "x",
            format!("[{}]", send.replace("\"id\":1,", "")),
            format!("[{}]", send.replace("\"id\":1", "\"id\":null")),
            format!("[{}]", send.replace("\"id\":1", "\"id\":1.0")),
            format!("[{}]", send.replace("\"id\":1", "\"id\":1e3")),
            format!("[{}]", send.replace("\"id\":1", "\"id\":-0")),
            format!("[{}]", send.replace("\"id\":1", "\"id\":[1]")),
            format!("[{}]", send.replace("\"id\":1", "\"id\":\"\\u0041\"")),
            format!("[{}]", send.replace("\"id\":1", "\"id\":1,\"id\":2")),
            format!("[{}]", send.replace("\"id\":1", "\"id\":1,\"more\":2")),
            format!("[{}]", send.replace("2.0", "1.0")),
            format!("[{}]", send.replace("eth_send", "eth_get")),
            format!("[{}]", send.replace("[\"0x00\"]", "[]")),
            format!("[{}]", send.replace("[\"0x00\"]", "[\"0x00\",\"0x00\"]")),
            format!("[{}]", send.replace("[\"0x00\"]", "[7]")),
            format!("[{send},{{}}]"),
        ] {
            assert_eq!(taken(&other), None, "{other}");
        }
    }
}
