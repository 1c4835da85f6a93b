//! State tests: runs them in a thread of their own and hands out reports as they come.

use std::{
    io,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

use pyo3::{exceptions::PyValueError, prelude::*};
use trex_statetest::{CaseReport, Fork, Options, Status, run};

/// How many reports wait for the reader.
const WAITING_REPORTS: usize = 4096;

/// What came of one case.
#[pyclass(frozen, get_all)]
pub struct StateTestCase {
    file: PathBuf,
    name: String,
    fork: String,
    index: usize,
    status: &'static str,
    reason: Option<String>,
    state_root: Option<String>,
}

impl From<CaseReport> for StateTestCase {
    fn from(report: CaseReport) -> Self {
        Self {
            file: report.file,
            name: report.name,
            fork: report.fork,
            index: report.index,
            status: match report.verdict.status {
                Status::Passed => "passed",
                Status::Failed => "failed",
                Status::Skipped => "skipped",
            },
            reason: report.verdict.reason,
            state_root: report.verdict.state_root.map(|root| root.to_string()),
        }
    }
}

/// The cases of a run, each as soon as it is done; dropping it ends the run.
#[pyclass(frozen)]
pub struct StateTestRun {
    reports: Mutex<Receiver<io::Result<CaseReport>>>,
}

#[pymethods]
impl StateTestRun {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<StateTestCase>> {
        let next = py.detach(|| self.reports.lock().unwrap_or_else(PoisonError::into_inner).recv());
        match next {
            Ok(report) => Ok(Some(report?.into())),
            Err(_) => Ok(None),
        }
    }
}

/// Runs the state tests in a file or folder; see `trex._core`'s stub.
#[pyfunction]
#[pyo3(signature = (path, *, fork=None, name=None, trace=false, trace_memory=false, jobs=0))]
pub fn run_statetests(
    path: PathBuf,
    fork: Option<&str>,
    name: Option<&str>,
    trace: bool,
    trace_memory: bool,
    jobs: usize,
) -> PyResult<StateTestRun> {
    let fork = match fork {
        None => None,
        Some(name) => Some(Fork::from_name(name).ok_or_else(|| {
            let known: Vec<_> = Fork::names().collect();
            PyValueError::new_err(format!("fork {name:?} is not known; there are {}", known.join(", ")))
        })?),
    };
    let options = Options {
        fork,
        name: name
            .map(|name| name.parse())
            .transpose()
            .map_err(|error| PyValueError::new_err(format!("not a regular expression: {error}")))?,
        trace,
        trace_memory,
        jobs,
    };
    let (sender, reports) = sync_channel(WAITING_REPORTS);
    thread::Builder::new().name("statetest".into()).spawn(move || {
        if let Err(error) = run(&path, &options, |report| sender.send(Ok(report)).is_ok()) {
            // The reader may be gone.
            let _ = sender.send(Err(error));
        }
    })?;
    Ok(StateTestRun { reports: Mutex::new(reports) })
}
