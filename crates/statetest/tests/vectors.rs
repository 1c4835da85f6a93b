//! Every state test in `vectors/statetests` comes out as it says.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Mutex};

use trex_statetest::{CaseReport, Fork, Options, Status, run};

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/statetests")
}

fn reports(path: &std::path::Path, options: &Options) -> Vec<CaseReport> {
    let reports = Mutex::new(Vec::new());
    run(path, options, |report| {
        reports.lock().unwrap().push(report);
        true
    })
    .unwrap();
    let mut reports = reports.into_inner().unwrap();
    reports.sort_by(|a, b| (&a.file, &a.name, &a.fork, a.index).cmp(&(&b.file, &b.name, &b.fork, b.index)));
    reports
}

#[test]
fn vectors_pass() {
    let reports = reports(&vectors(), &Options::default());
    let failed: Vec<_> = reports.iter().filter(|report| report.verdict.status == Status::Failed).collect();
    assert!(failed.is_empty(), "{} of {} failed, first {:#?}", failed.len(), reports.len(), failed[0]);
    let mut forks: BTreeMap<&str, usize> = BTreeMap::new();
    for report in reports.iter().filter(|report| report.verdict.status == Status::Passed) {
        *forks.entry(&report.fork).or_default() += 1;
    }
    for fork in
        ["Frontier", "Homestead", "EIP150", "EIP158", "Byzantium", "Constantinople", "Cancun", "Prague"]
    {
        assert!(forks.contains_key(fork), "no case of {fork}");
    }
}

#[test]
fn fork_given_as_alias_runs_that_fork_only() {
    let fork = Fork::from_name("spuriousdragon");
    let reports = reports(&vectors().join("public"), &Options { fork, ..Options::default() });
    assert!(!reports.is_empty());
    assert!(reports.iter().all(|report| Fork::from_name(&report.fork) == fork), "{reports:#?}");
}

#[test]
fn reader_that_wants_no_more_ends_the_run() {
    let seen = Mutex::new(0);
    run(&vectors(), &Options { jobs: 1, ..Options::default() }, |_| {
        *seen.lock().unwrap() += 1;
        false
    })
    .unwrap();
    assert_eq!(*seen.lock().unwrap(), 1);
}

/// One wrong digit in any expectation is a failure with both values in its reason.
#[test]
fn wrong_expectations_fail_with_reason() {
    let text = fs::read_to_string(vectors().join("public/basic_tload_works.json")).unwrap();
    let folder = std::env::temp_dir().join(format!("trex-statetest-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for (name, from, to, reason) in [
        (
            "root",
            "0x0d4165d5",
            "0x1d4165d5",
            "0x0d4165d5816564c06d9ec40c915c71ce795509441558833b0550897feab8bf3a",
        ),
        ("logs", "0x1dcc4de8", "0x2dcc4de8", "logs hash"),
        ("state", "0x6124fee993bc0000", "0x6124fee993bc0001", "balance 6999999999999465751 instead of"),
        ("exception", "\"hash\"", "\"expectException\": \"x\", \"hash\"", "included"),
        ("field", "\"nonce\"", "\"nonsense\"", "malformed test"),
    ] {
        let file = folder.join(format!("{name}.json"));
        fs::write(&file, text.replace(from, to)).unwrap();
        let reports = reports(&file, &Options::default());
        assert!(!reports.is_empty());
        for report in reports {
            assert_eq!(report.verdict.status, Status::Failed, "{report:#?}");
            assert!(report.verdict.reason.as_ref().unwrap().contains(reason), "{report:#?}");
        }
    }
    for (name, text, status) in [
        ("broken", "{", Status::Failed),
        ("list", "[]", Status::Skipped),
        ("other", "{\"a\": {\"blocks\": []}}", Status::Skipped),
        (
            "fork",
            &text.replace("\"Cancun\": [", "\"Amsterdam\": [").replace("\"Prague\": [", "\"Amsterdam\": ["),
            Status::Skipped,
        ),
    ] {
        let file = folder.join(format!("{name}.json"));
        fs::write(&file, text).unwrap();
        let reports = reports(&file, &Options::default());
        assert!(reports.iter().all(|report| report.verdict.status == status), "{name}: {reports:#?}");
        assert!(!reports.is_empty());
    }
    let eof = folder.join("stEOF");
    fs::create_dir(&eof).unwrap();
    fs::write(eof.join("any.json"), &text).unwrap();
    assert!(reports(&eof, &Options::default()).iter().all(|report| report.verdict.status == Status::Skipped));
    fs::remove_dir_all(&folder).unwrap();
    assert!(run(&folder, &Options::default(), |_| true).is_err());
}
