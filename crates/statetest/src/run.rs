//! Files and folders of tests, in parallel.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use rayon::prelude::*;
use regex::Regex;
use serde::Deserialize as _;
use serde_json::{Value, value::RawValue};

use crate::{
    case::{self, Status, TraceTo, Verdict},
    fixture::Test,
    fork::Fork,
    memory::MemoryState,
};

/// Which cases to run, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only this fork.
    pub fork: Option<Fork>,
    /// Only tests whose name matches.
    pub name: Option<Regex>,
    /// Trace each instruction to standard error, one case after another.
    pub trace: bool,
    /// Traces with memory.
    pub trace_memory: bool,
    /// Threads; zero for one per core.
    pub jobs: usize,
}

/// What came of one case, or of a file that holds none.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The file.
    pub file: PathBuf,
    /// Name of the test; empty for a file as a whole.
    pub name: String,
    /// Fork, as the file calls it; empty for a test as a whole.
    pub fork: String,
    /// Position among the fork's cases.
    pub index: usize,
    /// What came of it, and why.
    pub verdict: Verdict,
}

/// How many cases came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// As the tests say.
    pub passed: usize,
    /// Not as the tests say.
    pub failed: usize,
    /// Not run.
    pub skipped: usize,
}

impl Summary {
    /// Counts one case.
    pub fn add(&mut self, status: &Status) {
        match status {
            Status::Passed => self.passed += 1,
            Status::Failed => self.failed += 1,
            Status::Skipped => self.skipped += 1,
        }
    }
}

/// Runs every case in the file or folder `path` and hands each report to `on_report`, from any
/// thread; a file's reports come together and in order. Returning `false` ends the run early.
///
/// # Errors
/// `path` cannot be read, or the threads cannot be started. A file below it that cannot be read or
/// is no JSON is a failed case.
pub fn run(path: &Path, options: &Options, on_report: impl Fn(CaseReport) -> bool + Sync) -> io::Result<()> {
    let mut files = Vec::new();
    collect(path, &mut files)?;
    let stopped = AtomicBool::new(false);
    let run_one = |file: &PathBuf| {
        run_file(file, options, &mut |report| {
            if !stopped.load(Ordering::Relaxed) && !on_report(report) {
                stopped.store(true, Ordering::Relaxed);
            }
            !stopped.load(Ordering::Relaxed)
        });
    };
    if options.trace {
        files.iter().take_while(|_| !stopped.load(Ordering::Relaxed)).for_each(run_one);
        return Ok(());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs).build().map_err(io::Error::other)?;
    // One file at a time to each thread: they differ in cost by orders of magnitude.
    pool.install(|| {
        files.par_iter().with_max_len(1).for_each(|file| {
            if !stopped.load(Ordering::Relaxed) {
                run_one(file);
            }
        });
    });
    Ok(())
}

/// JSON files at or below `path`, in order of name; hidden folders and the fixtures' own index aside.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        fs::metadata(path)?;
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries =
        fs::read_dir(path)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if entry.is_dir() {
            if !hidden {
                collect(&entry, files)?;
            }
        } else if !hidden && entry.extension().is_some_and(|extension| extension == "json") {
            files.push(entry);
        }
    }
    Ok(())
}

type Report<'a> = &'a mut dyn FnMut(CaseReport) -> bool;

fn run_file(file: &Path, options: &Options, on_report: Report<'_>) {
    let mut whole = |verdict| {
        on_report(CaseReport {
            file: file.to_owned(),
            name: String::new(),
            fork: String::new(),
            index: 0,
            verdict,
        });
    };
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return whole(Verdict::failed(format!("cannot be read: {error}"), None)),
    };
    // Tests are kept as text until they are run: a file may hold thousands.
    let tests: BTreeMap<String, &RawValue> = match serde_json::from_str(&text) {
        Ok(tests) => tests,
        Err(error) if error.is_data() => {
            return whole(Verdict::skipped("not a file of state tests".into()));
        }
        Err(error) => return whole(Verdict::failed(format!("no JSON: {error}"), None)),
    };
    for (name, test) in tests {
        if options.name.as_ref().is_some_and(|wanted| !wanted.is_match(&name)) {
            continue;
        }
        if needs_eof(file, &name) {
            let verdict = Verdict::skipped("EVM object format: in no fork".into());
            let skipped = CaseReport { file: file.to_owned(), name, fork: String::new(), index: 0, verdict };
            if !on_report(skipped) {
                return;
            }
            continue;
        }
        let mut report = |fork: &str, index, verdict| {
            on_report(CaseReport {
                file: file.to_owned(),
                name: name.clone(),
                fork: fork.into(),
                index,
                verdict,
            })
        };
        if !run_test(test, options, &mut report) {
            return;
        }
    }
}

/// Whether the test is of the EVM object format, which suites file under forks it has left (ST-010).
fn needs_eof(file: &Path, name: &str) -> bool {
    let marked = |text: &str| text.starts_with("stEOF") || text.contains("eip7692_eof");
    marked(name) || file.iter().any(|part| part.to_str().is_some_and(marked))
}

/// Whether this has the fields of a state test: files of other kinds lie beside them.
fn is_state_test(test: &RawValue) -> bool {
    serde_json::from_str::<Value>(test.get()).is_ok_and(|test| {
        ["env", "pre", "post", "transaction"]
            .iter()
            .all(|field| test.get(field).is_some_and(Value::is_object))
    })
}

/// Runs a test's cases; `false` if the reader wants no more.
fn run_test(
    text: &RawValue,
    options: &Options,
    report: &mut dyn FnMut(&str, usize, Verdict) -> bool,
) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(text.get());
    let test = match Test::deserialize(&mut deserializer) {
        Ok(test) => test,
        Err(_) if !is_state_test(text) => return report("", 0, Verdict::skipped("not a state test".into())),
        Err(error) => return report("", 0, Verdict::failed(format!("malformed test: {error}"), None)),
    };
    let state = match MemoryState::new(&test.pre) {
        Ok(state) => state,
        Err(reason) => return report("", 0, Verdict::failed(format!("malformed state: {reason}"), None)),
    };
    // Forks in order of time, those unknown last.
    let mut forks: Vec<_> =
        test.post.iter().map(|(name, cases)| (Fork::from_name(name), name, cases)).collect();
    forks.sort_by_key(|(fork, name, _)| (fork.is_none(), *fork, (*name).clone()));
    for (fork, fork_name, cases) in forks {
        if options.fork.is_some() && options.fork != fork {
            continue;
        }
        for (index, outcome) in cases.iter().enumerate() {
            let verdict = match fork {
                None => Verdict::skipped(format!("fork {fork_name} is not known")),
                Some(fork) if options.trace => {
                    let mut out = BufWriter::with_capacity(1 << 16, io::stderr().lock());
                    let trace = TraceTo { out: &mut out, with_memory: options.trace_memory };
                    let verdict = case::run(&test, &state, fork, outcome, Some(trace));
                    match out.flush() {
                        Ok(()) => verdict,
                        Err(error) => Verdict::failed(format!("trace cut off: {error}"), verdict.state_root),
                    }
                }
                Some(fork) => case::run(&test, &state, fork, outcome, None),
            };
            if !report(fork_name, index, verdict) {
                return false;
            }
        }
    }
    true
}
