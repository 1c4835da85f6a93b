//! `trex._core.Chain`.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use alloy_primitives::{B256, Bytes};
use pyo3::{exceptions::PyValueError, prelude::*, pybacked::PyBackedBytes, types::PyBytes};
use trex_chain::{
    chain::{self, BuildOrder, ChainError},
    derive::Sources,
    dev::{Patches, UnsignedRequest},
    l1_view::{L1Deposit, L1View},
    limits::NodeLimits,
    network::Network,
    operate,
    pending::NextBlock,
    rpc::{self, limits::Limits},
    send_batch::AnsweredBatch,
    settle::L1Heads,
    transfer::Progress,
};
use trex_stf::derive::Queue;
use trex_store::{History, Options};

use crate::{
    batch::{blobs_to_python, copied},
    errors,
};

/// A sealed block, as much of it as production needs.
#[pyclass(frozen, get_all)]
pub(crate) struct Head {
    number: u64,
    hash: String,
    slot: u64,
    timestamp: u64,
    base_fee_wei: u64,
    gas_used: u64,
    gas_limit: u64,
    transactions: usize,
    logs: usize,
}

impl From<&chain::Head> for Head {
    fn from(head: &chain::Head) -> Self {
        Self {
            number: head.header.number,
            hash: head.header.hash().to_string(),
            slot: head.slot,
            timestamp: head.header.timestamp,
            base_fee_wei: head.header.base_fee_per_gas.unwrap_or_default(),
            gas_used: head.header.gas_used,
            gas_limit: head.header.gas_limit,
            transactions: head.transactions,
            logs: head.logs,
        }
    }
}

/// The answer to a batch of transactions, and how many of them were taken and refused.
type Answered<'py> = (Bound<'py, PyBytes>, usize, usize);

/// One data directory, opened: store, state, mempool.
#[pyclass(frozen)]
pub(crate) struct Chain {
    inner: RwLock<Option<Arc<chain::Chain>>>,
    limits: Limits,
    chain_id: u64,
    genesis_time_s: u64,
    block_time_ms: u64,
    max_idle_ms: u64,
    genesis_hash: B256,
}

/// Defaults of the limits by name, JSON.
#[pyfunction]
pub(crate) fn default_limits(py: Python<'_>) -> PyResult<Bound<'_, PyBytes>> {
    let text = serde_json::to_vec(&NodeLimits::default())
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &text))
}

/// Hash, state root and withdrawals root of a network's block 0.
#[pyfunction]
pub(crate) fn genesis<'py>(py: Python<'py>, network: &[u8]) -> PyResult<[Bound<'py, PyBytes>; 3]> {
    let made = py.detach(|| Network::parse(network)?.genesis());
    let (header, _) = made.map_err(|error| errors::network(&error))?;
    let roots = [header.hash_slow(), header.state_root, header.withdrawals_root.unwrap_or_default()];
    Ok(roots.map(|root| PyBytes::new(py, root.as_slice())))
}

/// Makes the tables of a data directory's store anew (SNP-016). `progress` gets done, of, and what.
#[pyfunction]
pub(crate) fn rewrite_tables(
    py: Python<'_>,
    path: &str,
    network: &[u8],
    cache_bytes: u64,
    progress: Py<PyAny>,
) -> PyResult<()> {
    let mut caller = Caller { progress: &progress, raised: None };
    let network = Network::parse(network).map_err(|error| errors::network(&error))?;
    let result = py.detach(|| {
        operate::rewrite_tables(
            Path::new(path),
            &network,
            cache_bytes,
            &mut |Progress { done, of }, what: &str| {
                caller.call((done, of, what.to_owned()));
            },
        )
    });
    caller.finish(result)
}

/// Calls Python now and then; an exception there stops the work and is raised after it.
struct Caller<'a> {
    progress: &'a Py<PyAny>,
    raised: Option<PyErr>,
}

impl Caller<'_> {
    fn call(&mut self, arguments: impl for<'py> pyo3::call::PyCallArgs<'py> + Send) -> bool {
        Python::attach(|py| {
            match self.progress.call1(py, arguments).and_then(|answer| answer.is_truthy(py)) {
                Ok(go_on) => go_on,
                Err(error) => {
                    self.raised = Some(error);
                    false
                }
            }
        })
    }

    fn finish<T>(self, result: Result<T, ChainError>) -> PyResult<T> {
        match self.raised {
            Some(error) => Err(error),
            None => result.map_err(|error| errors::core(&error)),
        }
    }
}

/// A hash that Python gives as bytes.
fn hash(what: &str, bytes: &[u8]) -> PyResult<B256> {
    B256::try_from(bytes).map_err(|error| PyValueError::new_err(format!("{what}: {error}")))
}

impl Chain {
    fn open_chain(&self) -> PyResult<Arc<chain::Chain>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(errors::closed)
    }

    /// Works without the GIL.
    fn work<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Arc<chain::Chain>) -> Result<T, ChainError> + Send,
    ) -> PyResult<T> {
        let chain = self.open_chain()?;
        py.detach(|| work(&chain)).map_err(|error| errors::core(&error))
    }
}

#[pymethods]
impl Chain {
    #[staticmethod]
    #[pyo3(signature = (path, network, *, history_blocks, cache_bytes, limits, settled = false))]
    fn open(
        py: Python<'_>,
        path: &str,
        network: &[u8],
        history_blocks: Option<u64>,
        cache_bytes: u64,
        limits: &[u8],
        settled: bool,
    ) -> PyResult<Self> {
        let named: NodeLimits = serde_json::from_slice(limits)
            .map_err(|error| PyValueError::new_err(format!("limits: {error}")))?;
        let network = Network::parse(network).map_err(|error| errors::network(&error))?;
        let pool = named.pool(network.params);
        let options = Options {
            history: history_blocks.map_or(History::Archive, History::Last),
            cache_bytes,
            ..Options::new(network.hash)
        };
        let inner = py
            .detach(|| {
                let chain = chain::Chain::open(Path::new(path), network, options, pool)?;
                let chain = chain.with_dev_limits(named.dev());
                Ok(if settled { chain.with_settled_blocks() } else { chain })
            })
            .map_err(|error: ChainError| errors::core(&error))?;
        Ok(Self {
            chain_id: inner.params().chain_id,
            genesis_time_s: inner.params().genesis_timestamp,
            block_time_ms: inner.params().block_time_ms,
            max_idle_ms: inner.network().max_idle_ms,
            genesis_hash: inner.genesis_hash(),
            inner: RwLock::new(Some(Arc::new(inner))),
            limits: named.reads(),
        })
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let chain = self.inner.write().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(chain));
        Ok(())
    }

    #[getter]
    fn chain_id(&self) -> u64 {
        self.chain_id
    }

    #[getter]
    fn genesis_time_s(&self) -> u64 {
        self.genesis_time_s
    }

    #[getter]
    fn block_time_ms(&self) -> u64 {
        self.block_time_ms
    }

    #[getter]
    fn max_idle_ms(&self) -> u64 {
        self.max_idle_ms
    }

    #[getter]
    fn genesis_hash(&self) -> String {
        self.genesis_hash.to_string()
    }

    fn head(&self) -> PyResult<Head> {
        Ok(Head::from(&*self.open_chain()?.head()))
    }

    fn rpc<'py>(&self, py: Python<'py>, method: &str, params: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.open_chain()?;
        let answer =
            py.detach(|| rpc::dispatch(&*chain, method, params, &self.limits)).map_err(errors::rpc)?;
        Ok(PyBytes::new(py, &answer))
    }

    fn brief<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        params: &[u8],
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let chain = self.open_chain()?;
        let answer = py.detach(|| rpc::brief(&*chain, method, params, &self.limits));
        let answer = answer.transpose().map_err(errors::rpc)?;
        Ok(answer.map(|answer| PyBytes::new(py, &answer)))
    }

    fn submit<'py>(&self, py: Python<'py>, transactions: Vec<String>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let results = self.work(py, |chain| {
            let mut raw = Vec::with_capacity(transactions.len());
            let mut malformed = Vec::new();
            for (index, text) in transactions.iter().enumerate() {
                raw.push(rpc::params::data(text).unwrap_or_else(|error| {
                    malformed.push((index, error));
                    Bytes::new()
                }));
            }
            Ok((chain.submit(raw), malformed))
        })?;
        let (answers, malformed) = results;
        let mut answers: Vec<Bound<'py, PyAny>> = answers
            .into_iter()
            .map(|answer| match answer {
                Ok(hash) => Ok(hash.to_string().into_pyobject(py)?.into_any()),
                Err(error) => Ok(errors::pool(&error).into_value(py).into_bound(py).into_any()),
            })
            .collect::<PyResult<_>>()?;
        for (index, reason) in malformed {
            answers[index] =
                errors::argument("invalid argument 0", &reason).into_value(py).into_bound(py).into_any();
        }
        Ok(answers)
    }

    fn submit_batches<'py>(
        &self,
        py: Python<'py>,
        bodies: Vec<PyBackedBytes>,
        most: usize,
    ) -> PyResult<Vec<Option<Answered<'py>>>> {
        let bodies: Vec<&[u8]> = bodies.iter().map(|body| &**body).collect();
        let answers = self.work(py, |chain| Ok(chain.submit_batches(&bodies, most)))?;
        let convert = |batch: AnsweredBatch| (PyBytes::new(py, &batch.json), batch.accepted, batch.refused);
        Ok(answers.into_iter().map(|answer| answer.map(convert)).collect())
    }

    fn pool_len(&self) -> PyResult<(usize, usize)> {
        Ok(self.open_chain()?.pool_len())
    }

    fn pending_since<'py>(
        &self,
        py: Python<'py>,
        cursor: Option<u64>,
        full: bool,
        limit: usize,
    ) -> PyResult<(u64, Vec<Bound<'py, PyBytes>>)> {
        let chain = self.open_chain()?;
        let (cursor, items) = py.detach(|| chain.pending_since(cursor, full, limit));
        Ok((cursor, items.iter().map(|item| PyBytes::new(py, item)).collect()))
    }

    #[allow(clippy::too_many_arguments, reason = "a block and what L1 gives it")]
    #[pyo3(signature = (
        slot, *, allow_empty, budget_ms, gas_limit=None, l1_headers=Vec::new(), deposits=Vec::new(),
        most_unposted_bytes=None
    ))]
    fn build(
        &self,
        py: Python<'_>,
        slot: u64,
        allow_empty: bool,
        budget_ms: u64,
        gas_limit: Option<u64>,
        l1_headers: Vec<PyBackedBytes>,
        deposits: Vec<(PyBackedBytes, u32, PyBackedBytes)>,
        most_unposted_bytes: Option<usize>,
    ) -> PyResult<Option<Head>> {
        let deadline = Some(Instant::now() + Duration::from_millis(budget_ms));
        let deposits = deposits.iter().map(|(record, log_index, l1_hash)| {
            let record = Bytes::copy_from_slice(record);
            Ok(L1Deposit { record, log_index: *log_index, l1_hash: hash("deposits", l1_hash)? })
        });
        let l1 = L1View { headers: copied(&l1_headers), deposits: deposits.collect::<PyResult<_>>()? };
        let order = BuildOrder { slot, gas_limit, allow_empty, deadline, l1, most_unposted_bytes };
        self.work(py, |chain| Ok(chain.build(&order)?.map(|head| Head::from(&*head))))
    }

    /// `outlook` answers (slot, gas limit or None). Where it raises, the chain falls back on its own rule.
    fn set_outlook(&self, outlook: Py<PyAny>) -> PyResult<()> {
        let ask = move || {
            Python::attach(|py| {
                let (slot, gas_limit) =
                    outlook.call0(py).and_then(|answer| answer.extract(py)).unwrap_or_else(|error| {
                        error.write_unraisable(py, Some(outlook.bind(py)));
                        (0, None)
                    });
                NextBlock { slot, gas_limit }
            })
        };
        self.open_chain()?.set_outlook(Some(Box::new(ask)));
        Ok(())
    }

    fn insert(&self, py: Python<'_>, block: &[u8]) -> PyResult<Head> {
        self.work(py, |chain| {
            chain.insert(block)?;
            Ok(Head::from(&*chain.head()))
        })
    }

    fn block_rlp<'py>(&self, py: Python<'py>, number: u64) -> PyResult<Bound<'py, PyBytes>> {
        let block = self.work(py, |chain| chain.block_rlp(number))?;
        Ok(PyBytes::new(py, &block))
    }

    #[allow(clippy::too_many_arguments, reason = "a header and its preimages")]
    #[pyo3(signature = (parent, *, header, queue, blobs, l1_headers, deposits))]
    fn derive<'py>(
        &self,
        py: Python<'py>,
        parent: u64,
        header: &[u8],
        queue: (u64, PyBackedBytes),
        blobs: Vec<PyBackedBytes>,
        l1_headers: Vec<PyBackedBytes>,
        deposits: Vec<PyBackedBytes>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (count, accumulator) = queue;
        let accumulator = hash("queue", &accumulator)?;
        let sources = Sources {
            header: Bytes::copy_from_slice(header),
            queue: Queue { count, accumulator },
            blobs: copied(&blobs),
            l1_headers: copied(&l1_headers),
            deposits: copied(&deposits),
        };
        let derivation = self.work(py, |chain| chain.derive(parent, &sources))?;
        let text =
            serde_json::to_vec(&derivation).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PyBytes::new(py, &text))
    }

    fn read_ahead(&self, py: Python<'_>, header: &[u8], blobs: Vec<PyBackedBytes>) -> PyResult<()> {
        let blobs = copied(&blobs);
        self.work(py, |chain| {
            chain.read_ahead(header, &blobs);
            Ok(())
        })
    }

    fn batch<'py>(
        &self,
        py: Python<'py>,
        first: u64,
        last: u64,
        log_indices: Vec<u32>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let blobs = self.work(py, |chain| chain.batch(first, last, log_indices))?;
        Ok(blobs_to_python(py, &blobs))
    }

    fn origin<'py>(&self, py: Python<'py>, number: u64) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let origin = self.work(py, |chain| chain.block_origin(number))?;
        Ok((origin.number, PyBytes::new(py, origin.hash.as_slice())))
    }

    fn unwind(&self, py: Python<'_>, number: u64) -> PyResult<Head> {
        self.work(py, |chain| Ok(Head::from(&*chain.unwind(number)?)))
    }

    fn l1_heads(&self) -> PyResult<(u64, u64)> {
        let L1Heads { safe, finalized } = self.open_chain()?.l1_heads();
        Ok((safe, finalized))
    }

    fn unposted<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let unposted = self.work(py, |chain| chain.unposted())?;
        let text = serde_json::to_vec(&unposted).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PyBytes::new(py, &text))
    }

    fn set_l1_heads(&self, py: Python<'_>, safe: u64, finalized: u64) -> PyResult<()> {
        self.work(py, |chain| chain.set_l1_heads(L1Heads { safe, finalized }))
    }

    fn match_logs<'py>(
        &self,
        py: Python<'py>,
        number: u64,
        filters: Vec<Vec<u8>>,
    ) -> PyResult<Vec<Vec<Bound<'py, PyBytes>>>> {
        let chain = self.open_chain()?;
        let found = py.detach(|| chain.match_logs(number, &filters, &self.limits)).map_err(errors::rpc)?;
        let convert = |logs: Vec<Vec<u8>>| logs.iter().map(|log| PyBytes::new(py, log)).collect();
        Ok(found.into_iter().map(convert).collect())
    }

    fn counters(&self, py: Python<'_>) -> PyResult<std::collections::BTreeMap<&'static str, u64>> {
        self.work(py, |chain| Ok(chain.counters()))
    }

    fn export_file(
        &self,
        py: Python<'_>,
        path: &str,
        first: u64,
        last: u64,
        progress: Py<PyAny>,
    ) -> PyResult<u64> {
        let chain = self.open_chain()?;
        let mut caller = Caller { progress: &progress, raised: None };
        let result = py.detach(|| {
            chain.export(Path::new(path), first, last, &mut |Progress { done, of }| caller.call((done, of)))
        });
        caller.finish(result)
    }

    fn import_file(&self, py: Python<'_>, path: &str, progress: Py<PyAny>) -> PyResult<Head> {
        let chain = self.open_chain()?;
        let mut caller = Caller { progress: &progress, raised: None };
        let result = py.detach(|| {
            chain.import(Path::new(path), &mut |Progress { done, of }| {
                let head = Head::from(&*chain.head());
                caller.call((done, of, head))
            })
        });
        caller.finish(result)?;
        Ok(Head::from(&*chain.head()))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.work(py, |chain| chain.stats_json())?;
        Ok(PyBytes::new(py, &answer))
    }

    fn verify<'py>(&self, py: Python<'py>, progress: Py<PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let chain = self.open_chain()?;
        let mut caller = Caller { progress: &progress, raised: None };
        let result = py.detach(|| {
            chain.verify_json(&mut |Progress { done, of }, what: &str| {
                caller.call((done, of, what.to_owned()))
            })
        });
        let answer = caller.finish(result)?;
        Ok(PyBytes::new(py, &answer))
    }

    fn compact<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.work(py, |chain| chain.compact_json())?;
        Ok(PyBytes::new(py, &answer))
    }

    fn patch(&self, py: Python<'_>, changes: &[u8]) -> PyResult<()> {
        let patches: Patches =
            serde_json::from_slice(changes).map_err(|error| errors::argument("changes", &error))?;
        self.work(py, |chain| chain.patch(patches))
    }

    fn impersonate(&self, py: Python<'_>, request: &[u8]) -> PyResult<String> {
        let request: UnsignedRequest =
            serde_json::from_slice(request).map_err(|error| errors::argument("transaction", &error))?;
        self.work(py, |chain| chain.impersonate(request)).map(|hash| hash.to_string())
    }

    fn snapshot(&self, py: Python<'_>) -> PyResult<u64> {
        self.work(py, |chain| chain.snapshot())
    }

    fn revert(&self, py: Python<'_>, snapshot: u64) -> PyResult<bool> {
        self.work(py, |chain| Ok(chain.revert(snapshot)?.is_some()))
    }

    fn drop(&self, py: Python<'_>, transaction: Option<&str>) -> PyResult<usize> {
        let hash = transaction
            .map(|text| text.parse::<B256>().map_err(|error| errors::argument("transaction", &error)))
            .transpose()?;
        self.work(py, |chain| chain.drop_pooled(hash))
    }
}
