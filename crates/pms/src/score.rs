//! Scores and truth as the rules have them, exactly: whole numbers only (specs/matching.md).

use crate::{
    MISSING,
    log2::log2_fixed,
    plan::{FULL, Filter, Plan, Scale, Term},
};

/// Answers what a person's value in a column is.
pub(crate) trait Values {
    /// The value, [`MISSING`] where it is not known.
    fn value(&self, column: usize) -> i64;
}

impl<F: Fn(usize) -> i64> Values for F {
    fn value(&self, column: usize) -> i64 {
        self(column)
    }
}

/// Sum of weighted points, in thousandths of millionths of a point; the score is this over the sum of weights.
pub(crate) fn sum(plan: &Plan, values: &impl Values) -> i64 {
    plan.terms.iter().map(|term| i64::from(term.weight) * points(term, values)).sum()
}

/// Points of one term, 0 to [`FULL`] (PMS-021 to PMS-024).
pub(crate) fn points(term: &Term, values: &impl Values) -> i64 {
    let reached = match &term.scale {
        Scale::Binary(filter) => match truth(filter, values) {
            None => return 0,
            Some(holds) => i64::from(holds) * FULL,
        },
        Scale::Linear { column, low, high } => match values.value(*column) {
            MISSING => return 0,
            value => share(value, *low, *high),
        },
        Scale::Log { column, low, high } => match values.value(*column) {
            MISSING => return 0,
            value => share(log2_fixed(value), log2_fixed(*low), log2_fixed(*high)),
        },
    };
    if term.inverted { FULL - reached } else { reached }
}

/// How far a value is from `low` to `high`, of [`FULL`], rounded down; where they are one value, all or nothing.
fn share(value: i64, low: i64, high: i64) -> i64 {
    if value >= high {
        return FULL;
    }
    if value <= low {
        return 0;
    }
    let (way, whole) = (i128::from(value) - i128::from(low), i128::from(high) - i128::from(low));
    // At most FULL, since way < whole.
    (way * i128::from(FULL) / whole) as i64
}

/// Three-valued truth (PMS-011): what is not known is neither.
pub(crate) fn truth(filter: &Filter, values: &impl Values) -> Option<bool> {
    match filter {
        Filter::All(parts) => fold(parts, values, false),
        Filter::Any(parts) => fold(parts, values, true),
        Filter::Not(part) => truth(part, values).map(|holds| !holds),
        Filter::Range { column, low, high } => match values.value(*column) {
            MISSING => None,
            value => Some((*low..=*high).contains(&value)),
        },
    }
}

/// The part that says `decisive` decides; otherwise what is not known; otherwise the opposite.
fn fold(parts: &[Filter], values: &impl Values, decisive: bool) -> Option<bool> {
    let mut answer = Some(!decisive);
    for part in parts {
        match truth(part, values) {
            Some(holds) if holds == decisive => return Some(decisive),
            None => answer = None,
            Some(_) => {}
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(low: i64, high: i64) -> Filter {
        Filter::Range { column: 0, low, high }
    }

    /// PMS-011: Kleene's tables.
    #[test]
    fn what_is_not_known_is_neither_true_nor_false() {
        let unknown = |_: usize| MISSING;
        let (yes, no) = (Filter::All(vec![]), Filter::Any(vec![]));
        let may = range(0, 1);
        for (filter, expected) in [
            (Filter::Not(Box::new(may.clone())), None),
            (Filter::All(vec![yes.clone(), may.clone()]), None),
            (Filter::All(vec![may.clone(), no.clone()]), Some(false)),
            (Filter::Any(vec![may.clone(), yes]), Some(true)),
            (Filter::Any(vec![no, may]), None),
        ] {
            assert_eq!(truth(&filter, &unknown), expected, "{filter:?}");
        }
    }

    /// PMS-021, PMS-023, PMS-024.
    #[test]
    fn points_are_clipped_inverted_and_rounded_down() {
        let term = |low, high, inverted| Term {
            scale: Scale::Linear { column: 0, low, high },
            inverted,
            weight: 1000,
        };
        let of = |term: &Term, value: i64| points(term, &move |_: usize| value);
        let plain = term(0, 3, false);
        assert_eq!(
            [-1, 0, 1, 2, 3, 9].map(|value| of(&plain, value)),
            [0, 0, 33_333_333, 66_666_666, FULL, FULL]
        );
        assert_eq!(of(&term(0, 3, true), 1), FULL - 33_333_333);
        assert_eq!(of(&term(0, 3, true), MISSING), 0, "what is not known earns nothing");
        assert_eq!([4, 5, 6].map(|value| of(&term(5, 5, false), value)), [0, FULL, FULL]);
        assert_eq!(of(&term(i64::MIN + 1, i64::MAX, false), i64::MAX - 1), FULL - 1);
        let log = Term { scale: Scale::Log { column: 0, low: 0, high: 255 }, inverted: false, weight: 1 };
        assert_eq!(
            [0, 1, 3, 15, 255].map(|value| of(&log, value)),
            [0, 12_500_000, 25_000_000, 50_000_000, FULL]
        );
    }
}
