//! The filter of `eth_getLogs`.

use alloy_primitives::{Address, B256, Log};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    error::RpcError,
    limits::Limits,
    params::{self, BlockId},
};

/// Most topics a log has.
const MAX_TOPICS: usize = 4;

/// Which logs: by emitter and topics. An empty list takes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Emitters; any if empty.
    pub addresses: Vec<Address>,
    /// For each position the topics it may have; any if empty.
    pub topics: Vec<Vec<B256>>,
}

impl LogFilter {
    /// Whether it takes the log.
    pub fn takes(&self, log: &Log) -> bool {
        let topics = log.topics();
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.len() <= topics.len()
            && self
                .topics
                .iter()
                .zip(topics)
                .all(|(allowed, topic)| allowed.is_empty() || allowed.contains(topic))
    }

    /// Refuses a filter that names more than `limits` let it: each log is compared with all of them.
    pub fn check(&self, limits: &Limits) -> Result<(), RpcError> {
        let most = self.topics.iter().map(Vec::len).chain([self.addresses.len()]).max();
        if most.is_some_and(|most| most > limits.filter_items) {
            let what = "exceed max addresses or topics per search position";
            return Err(RpcError::limit("filter_items", limits.filter_items, what));
        }
        Ok(())
    }

    /// Parses `{address?, topics?}`; other fields are left alone.
    pub fn parse(json: &str) -> Result<Self, String> {
        LogQuery::parse(json).map(|query| query.filter)
    }
}

/// Which blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRange {
    /// One block.
    Block(B256),
    /// From the first to the last; latest where not given.
    Between(Option<BlockId>, Option<BlockId>),
}

/// The parameter of `eth_getLogs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// Which logs.
    pub filter: LogFilter,
    /// Of which blocks.
    pub range: LogRange,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    block_hash: Option<&'a RawValue>,
    #[serde(borrow)]
    from_block: Option<&'a RawValue>,
    #[serde(borrow)]
    to_block: Option<&'a RawValue>,
    #[serde(borrow)]
    address: Option<&'a RawValue>,
    #[serde(borrow)]
    topics: Option<Vec<Option<&'a RawValue>>>,
}

impl LogQuery {
    /// Parses the parameter.
    pub fn parse(json: &str) -> Result<Self, String> {
        let wire: Wire<'_> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let range = range(&wire)?;
        let addresses =
            wire.address.map_or_else(|| Ok(Vec::new()), |raw| one_or_many(raw, params::address))?;
        let topics = wire.topics.unwrap_or_default();
        if topics.len() > MAX_TOPICS {
            return Err("exceed max topics".into());
        }
        let topics = topics
            .into_iter()
            .map(|raw| raw.map_or_else(|| Ok(Vec::new()), topic_set))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { filter: LogFilter { addresses, topics }, range })
    }
}

fn range(wire: &Wire<'_>) -> Result<LogRange, String> {
    match wire.block_hash {
        Some(_) if wire.from_block.is_some() || wire.to_block.is_some() => {
            Err("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other".into())
        }
        Some(raw) => params::hash(raw.get()).map(LogRange::Block),
        None => {
            let bound = |raw: Option<&RawValue>| {
                raw.filter(|raw| raw.get() != "\"\"").map(|raw| params::block_number(raw.get())).transpose()
            };
            Ok(LogRange::Between(bound(wire.from_block)?, bound(wire.to_block)?))
        }
    }
}

fn one_or_many<T>(raw: &RawValue, parse: params::Parse<T>) -> Result<Vec<T>, String> {
    if !raw.get().starts_with('[') {
        return Ok(vec![parse(raw.get())?]);
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    items.into_iter().map(|item| parse(item.get())).collect()
}

/// One position: `null` in an alternative, like an empty list, takes any topic.
fn topic_set(raw: &RawValue) -> Result<Vec<B256>, String> {
    if !raw.get().starts_with('[') {
        return Ok(vec![params::hash(raw.get())?]);
    }
    let items: Vec<Option<&RawValue>> = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    if items.iter().any(Option::is_none) {
        return Ok(Vec::new());
    }
    items.into_iter().flatten().map(|item| params::hash(item.get())).collect()
}
