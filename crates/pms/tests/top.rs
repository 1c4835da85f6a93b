//! The kernel against the rules computed one person at a time, over changes, restarts and pages.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs};

use proptest::{collection::vec, prelude::*};
use trex_pms::{Batch, Change, FULL, Filter, MISSING, People, PersonId, Plan, Scale, Term, log2_fixed};

const COLUMNS: usize = 4;

type Known = BTreeMap<PersonId, [i64; COLUMNS]>;

fn id(number: u32) -> PersonId {
    let mut id = [0; 32];
    // Not in the order in which they come.
    id[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    id
}

fn names() -> Vec<String> {
    (0..COLUMNS).map(|place| format!("feature {place}")).collect()
}

/// Truth by the rules: `None` is not known.
fn holds(filter: &Filter, values: &[i64]) -> Option<bool> {
    match filter {
        Filter::All(parts) => {
            let truths: Vec<_> = parts.iter().map(|part| holds(part, values)).collect();
            if truths.contains(&Some(false)) {
                Some(false)
            } else {
                (!truths.contains(&None)).then_some(true)
            }
        }
        Filter::Any(parts) => {
            let truths: Vec<_> = parts.iter().map(|part| holds(part, values)).collect();
            if truths.contains(&Some(true)) { Some(true) } else { (!truths.contains(&None)).then_some(false) }
        }
        Filter::Not(part) => holds(part, values).map(|holds| !holds),
        Filter::Range { column, low, high } => {
            (values[*column] != MISSING).then(|| *low <= values[*column] && values[*column] <= *high)
        }
    }
}

fn points(term: &Term, values: &[i64]) -> i64 {
    let between = |value: i64, low: i64, high: i64| {
        if value >= high {
            FULL
        } else {
            let way = i128::from(value) - i128::from(low);
            (way.max(0) * i128::from(FULL) / (i128::from(high) - i128::from(low)).max(1)) as i64
        }
    };
    let found = match &term.scale {
        Scale::Binary(filter) => holds(filter, values).map(|holds| if holds { FULL } else { 0 }),
        Scale::Linear { column, low, high } => {
            (values[*column] != MISSING).then(|| between(values[*column], *low, *high))
        }
        Scale::Log { column, low, high } => (values[*column] != MISSING)
            .then(|| between(log2_fixed(values[*column]), log2_fixed(*low), log2_fixed(*high))),
    };
    found.map_or(0, |points| if term.inverted { FULL - points } else { points })
}

fn ranking(plan: &Plan, known: &Known) -> Vec<(i64, PersonId)> {
    let mut all: Vec<_> = known
        .iter()
        .filter(|(_, values)| holds(&plan.filter, &values[..]) == Some(true))
        .map(|(person, values)| {
            (plan.terms.iter().map(|term| i64::from(term.weight) * points(term, values)).sum(), *person)
        })
        .collect();
    all.sort_by_key(|(sum, person): &(i64, PersonId)| (-sum, *person));
    all
}

fn value() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => Just(MISSING),
        4 => -3i64..6,
        3 => (0i64..40).prop_map(|power| 1i64 << power),
        2 => (0i64..1_000).prop_map(|more| (1 << 40) + more), // closer together than 32 bits can tell
        1 => prop_oneof![Just(i64::MAX), Just(MISSING + 1), any::<i64>()],
    ]
}

fn bounds() -> impl Strategy<Value = (i64, i64)> {
    (value(), value()).prop_map(|(one, other)| {
        let (one, other) = (one.max(MISSING + 1), other.max(MISSING + 1));
        (one.min(other), one.max(other))
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf =
        (0..COLUMNS, value(), value()).prop_map(|(column, low, high)| Filter::Range { column, low, high });
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Filter::All),
            vec(inner.clone(), 0..3).prop_map(Filter::Any),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

fn term() -> impl Strategy<Value = Term> {
    let scale = prop_oneof![
        1 => filter().prop_map(Scale::Binary),
        2 => (0..COLUMNS, bounds()).prop_map(|(column, (low, high))| Scale::Linear { column, low, high }),
        2 => (0..COLUMNS, bounds()).prop_map(|(column, (low, high))| Scale::Log { column, low, high }),
    ];
    (scale, any::<bool>(), 1u32..=1_000_000).prop_map(|(scale, inverted, weight)| Term {
        scale,
        inverted,
        weight,
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let everybody = Just(Filter::All(Vec::new()));
    (prop_oneof![everybody, filter()], vec(term(), 0..4)).prop_map(|(filter, terms)| Plan { filter, terms })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        9 => (0u32..4_000, 0..COLUMNS as u32, value(), 0u32..100).prop_map(|(number, column, value, seen)| {
            Change::Set { person: id(number), column, value, seen }
        }),
        1 => (0u32..4_000).prop_map(|number| Change::Remove { person: id(number) }),
    ]
}

fn change_known(known: &mut Known, change: &Change) {
    match change {
        Change::Set { person, column, value, .. } => {
            known.entry(*person).or_insert([MISSING; COLUMNS])[*column as usize] = *value;
        }
        Change::Remove { person } => {
            known.remove(person);
        }
    }
}

fn compare(people: &People, plan: &Plan, known: &Known, k: usize) -> Result<(), TestCaseError> {
    let expected = ranking(plan, known);
    for threads in [1, 3] {
        prop_assert_eq!(people.count(&plan.filter, threads).unwrap(), expected.len());
        let found: Vec<_> = people
            .top(plan, k, None, threads)
            .unwrap()
            .iter()
            .map(|ranked| (ranked.sum, ranked.person))
            .collect();
        prop_assert_eq!(&found[..], &expected[..k.min(expected.len())]);
    }
    if let Some((sum, person)) = expected.get(k / 2) {
        let rest = people.top(plan, k, Some((*sum, *person)), 2).unwrap();
        let rest: Vec<_> = rest.iter().map(|ranked| (ranked.sum, ranked.person)).collect();
        let from = k / 2 + 1;
        prop_assert_eq!(&rest[..], &expected[from..expected.len().min(from + k)]);
        let why = people.explain(plan, person).unwrap().unwrap();
        prop_assert_eq!((why.holds, why.sum), (Some(true), *sum));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// PMS-001, PMS-003, PMS-010, PMS-011, PMS-020 to PMS-024, PMS-030 to PMS-032, PMS-040 to PMS-042: the same people
    /// in the same order as by the rules, whatever was changed, however often it was opened anew.
    #[test]
    fn best_are_those_of_the_rules(
        first in vec([value(), value(), value(), value()], 0..2_500),
        rounds in vec((vec(change(), 0..60), 0..3u8), 1..4),
        plans in vec(plan(), 1..5),
        k in 1usize..40,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let persons: Vec<_> = (0..first.len() as u32).map(id).collect();
        People::create(folder.path(), &names(), &persons, 1, |column| {
            Ok(first.iter().map(|values| (values[column], 7)).collect())
        })
        .unwrap();
        let mut known: Known = persons.into_iter().zip(first).collect();
        let mut people = People::open(folder.path(), &names()).unwrap();
        for (offset, (changes, then)) in rounds.iter().enumerate() {
            let batch = Batch { offset: 2 + offset as u64, changes: changes.clone() };
            prop_assert!(people.update(&batch).unwrap());
            prop_assert!(!people.update(&batch).unwrap(), "a batch taken twice counts once");
            changes.iter().for_each(|change| change_known(&mut known, change));
            match then {
                1 => {
                    drop(people);
                    people = People::open(folder.path(), &names()).unwrap();
                }
                2 => people.compact().unwrap(),
                _ => {}
            }
            prop_assert_eq!(people.len(), known.len());
            for plan in &plans {
                compare(&people, plan, &known, k)?;
            }
        }
        compare(&People::read(folder.path()).unwrap(), &plans[0], &known, k)?;
    }
}

/// PMS-012 (QRY-020): nearest rank, of those of whom the feature is more than nothing.
#[test]
fn percentiles_are_values_that_somebody_has() {
    let folder = tempfile::tempdir().unwrap();
    let persons: Vec<_> = (0..3_000).map(id).collect();
    let cell = |row: usize, column: usize| match column {
        0 => (row as i64 - 1_000, 0),
        _ => (if row.is_multiple_of(2) { 1 } else { MISSING }, 0),
    };
    let column = |column: usize| Ok((0..persons.len()).map(|row| cell(row, column)).collect());
    People::create(folder.path(), &names()[..2], &persons, 0, column).unwrap();
    let people = People::read(folder.path()).unwrap();
    let all = Filter::All(vec![]);
    let of = |filter: &Filter, share| people.percentile(0, filter, share).unwrap();
    assert_eq!([0, 1, 500, 800, 1000].map(|share| of(&all, share)), [1, 2, 1000, 1600, 1999].map(Some));
    assert_eq!(of(&Filter::Range { column: 1, low: 1, high: 1 }, 1000), Some(1998));
    assert_eq!(of(&Filter::Any(vec![]), 500), None);
}

/// PMS-040: cut off at any byte, what was acknowledged before is there, and only that.
#[test]
fn torn_journal_loses_only_what_was_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let batch = |offset: u64| Batch {
        offset,
        changes: vec![Change::Set { person: id(offset as u32), column: 0, value: offset as i64, seen: 1 }],
    };
    let mut people = People::open(folder.path(), &names()).unwrap();
    let mut ends = vec![];
    for offset in 1..=3 {
        people.update(&batch(offset)).unwrap();
        ends.push(people.journal_bytes() as usize);
    }
    drop(people);
    let generation = fs::read_to_string(folder.path().join("CURRENT")).unwrap();
    let journal = folder.path().join(generation.trim()).join("journal");
    let whole = fs::read(&journal).unwrap();
    for cut in (0..=whole.len()).rev() {
        fs::write(&journal, &whole[..cut]).unwrap();
        let mut people = People::open(folder.path(), &names()).unwrap();
        let kept = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!((people.offset(), people.len()), (kept as u64, kept), "cut at {cut}");
        assert!(people.update(&batch(9)).unwrap());
    }
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    fs::write(&journal, &damaged).unwrap();
    assert_eq!(People::open(folder.path(), &names()).err().unwrap().code(), "corrupt");
}

/// PMS-042: after compaction no file of the folder holds the passport of who was removed.
#[test]
fn who_is_removed_is_in_no_file_after_compaction() {
    let folder = tempfile::tempdir().unwrap();
    let set = |number: u32| Change::Set { person: id(number), column: 1, value: 5, seen: 1 };
    let mut people = People::open(folder.path(), &names()).unwrap();
    people.update(&Batch { offset: 1, changes: (0..50).map(set).collect() }).unwrap();
    people.compact().unwrap();
    people.update(&Batch { offset: 2, changes: vec![Change::Remove { person: id(7) }] }).unwrap();
    assert_eq!(people.cell(&id(7), 1), None);
    people.compact().unwrap();
    assert_eq!(people.len(), 49);
    let mut folders = vec![folder.path().to_path_buf()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                assert!(!bytes.windows(4).any(|part| part == &id(7)[..4]), "{}", path.display());
            }
        }
    }
}

#[test]
fn second_writer_and_unsound_plans_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut people = People::open(folder.path(), &names()).unwrap();
    assert_eq!(People::open(folder.path(), &names()).err().unwrap().code(), "update");
    let nowhere = Filter::Range { column: COLUMNS, low: 0, high: 1 };
    assert_eq!(people.count(&nowhere, 1).err().unwrap().code(), "plan");
    let set = Change::Set { person: id(1), column: COLUMNS as u32, value: 1, seen: 0 };
    assert_eq!(people.update(&Batch { offset: 9, changes: vec![set] }).err().unwrap().code(), "update");
    assert_eq!(people.offset(), 0);
    assert!(Plan::from_json(br#"{"filter": {"all": []}, "terms": [{"scale": {"linear": {"column": 0, "low": 2, "high": 1}}, "weight": 1}]}"#, 1).is_err());
    assert!(Plan::from_json(br#"{"filter": {"all": []}, "terms": [{"scale": {"linear": {"column": 0, "low": 1, "high": 1}}, "weight": 0}]}"#, 1).is_err());
    let mut deep = Filter::All(vec![]);
    (0..200).for_each(|_| deep = Filter::Not(Box::new(std::mem::replace(&mut deep, Filter::All(vec![])))));
    assert_eq!(people.count(&deep, 1).err().unwrap().code(), "plan");
    assert_eq!(
        people
            .top(&Plan { filter: Filter::All(vec![]), terms: vec![] }, 10_001, None, 1)
            .err()
            .unwrap()
            .code(),
        "plan"
    );
}
