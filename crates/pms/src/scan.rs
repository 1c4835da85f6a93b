//! The pass over everybody: rounded columns, block by block, on all cores; exact where rounding leaves a doubt.
//!
//! A block is passed over when its bounds rule it out. Of the others, rounded values give each person's score
//! up to an error that is known in advance. Whoever could still reach the best so far is computed exactly.

use std::{
    collections::BinaryHeap,
    sync::atomic::{AtomicI64, AtomicUsize, Ordering},
};

use crate::{
    MISSING, PersonId,
    column::{BLOCK, Bounds, Column, rounded},
    lanes::{self, LOG_ERROR, Lanes, OUT, ROUGH_ERROR, lane_log2, lane_log2_rough},
    log2::{LOG2_BITS, log2_fixed},
    people::People,
    plan::{FULL, Filter, Plan, Scale, Term},
    score,
};

/// Blocks that a thread takes at a time.
const STRIDE: usize = 8;

/// Where so few of a block are in the filter, they are scored one by one instead of the block.
const FEW: usize = 256;

/// How far the published table may lie below the logarithm, units of 1.
const TABLE_BELOW: f64 = 4.5e-4;

/// From this value on, the logarithm of `x` is that of `x + 1` but for so much.
const LARGE: i64 = 1 << 14;
const LARGE_ERROR: f64 = 1e-4;

/// Logarithms between whose bounds lie so many units are computed roughly first.
const ROUGH_FROM: f64 = 2.0;

/// A filter over rounded values, without `Not`: who may be in it, or who surely is.
enum Near {
    All(Vec<Near>),
    Any(Vec<Near>),
    /// Known, and between both, themselves included.
    In(usize, f32, f32),
    /// Known, and at or outside of one of both.
    Out(usize, f32, f32),
}

/// Which side a value falls on that rounding has brought to a bound.
#[derive(Clone, Copy, PartialEq)]
enum Doubt {
    Counts,
    CountsNot,
}

impl Near {
    /// Those of whom `filter` (or, `negated`, its opposite) is true; who is in doubt as said.
    fn new(filter: &Filter, negated: bool, doubt: Doubt) -> Self {
        let joined = |parts: &[Filter]| parts.iter().map(|part| Self::new(part, negated, doubt)).collect();
        match filter {
            Filter::Not(part) => Self::new(part, !negated, doubt),
            Filter::All(parts) if !negated => Self::All(joined(parts)),
            Filter::Any(parts) if negated => Self::All(joined(parts)),
            Filter::All(parts) | Filter::Any(parts) => Self::Any(joined(parts)),
            Filter::Range { column, low, high } => {
                let (low, high) = (edge(*low), edge(*high));
                match (negated, doubt) {
                    (false, Doubt::Counts) => Self::In(*column, low, high),
                    (false, Doubt::CountsNot) => Self::In(*column, low.next_up(), high.next_down()),
                    (true, Doubt::Counts) => Self::Out(*column, low, high),
                    (true, Doubt::CountsNot) => Self::Out(*column, low.next_down(), high.next_up()),
                }
            }
        }
    }

    /// Whether anybody of a block may be in it, by the bounds of the columns.
    fn possible(&self, bounds: &impl Fn(usize) -> Bounds) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.possible(bounds)),
            Self::Any(parts) => parts.iter().any(|part| part.possible(bounds)),
            Self::In(column, low, high) => {
                let of = bounds(*column);
                of.low <= *high && of.high >= *low
            }
            Self::Out(column, low, high) => {
                let of = bounds(*column);
                of.low <= of.high && (of.low <= *low || of.high >= *high)
            }
        }
    }

    /// Mark with 1 who of a block is in it.
    fn mark(&self, lanes: Lanes, columns: &[Column], block: usize, out: &mut [u8; BLOCK]) {
        let near = |column: usize| columns[column].near.block(block);
        match self {
            Self::All(parts) | Self::Any(parts) => {
                let all = matches!(self, Self::All(_));
                out.fill(u8::from(all));
                for part in parts {
                    let mut other = [0; BLOCK];
                    part.mark(lanes, columns, block, &mut other);
                    let both = out.iter_mut().zip(other);
                    both.for_each(|(one, other)| if all { *one &= other } else { *one |= other });
                }
            }
            Self::In(column, low, high) => lanes.within(near(*column), *low, *high, out),
            Self::Out(column, low, high) => lanes.without(near(*column), *low, *high, out),
        }
    }
}

/// A bound as a rounded value: the least of all counts as known.
fn edge(bound: i64) -> f32 {
    rounded(bound.max(MISSING + 1))
}

/// A term over rounded values.
struct NearTerm {
    column: usize,
    shape: Shape,
    /// Of the sum of all weights.
    share: f32,
}

enum Shape {
    /// `(x - origin) * slope`, between 0 and 1.
    Linear { origin: f32, slope: f32 },
    /// The same of the logarithm of `x + 1`.
    Log { origin: f32, slope: f32 },
    /// The same with [`lane_log2_rough`], from a low bound of [`LARGE`] on, more being better.
    Rough { origin: f32, slope: f32 },
    /// 1 where it may be true.
    Binary(Near),
    /// 1 whatever it is; exactness is left to the rule.
    Any,
}

impl NearTerm {
    /// The term, and how far its part of the score may be below the exact one.
    fn new(term: &Term, weights: f64) -> (Self, f64) {
        let share = f64::from(term.weight) / weights;
        let (column, shape, error) = match &term.scale {
            Scale::Binary(filter) => (0, Shape::Binary(Near::new(filter, term.inverted, Doubt::Counts)), 0.0),
            Scale::Linear { column, low, high } if low < high => {
                let (a, b) = (*low as f64, *high as f64);
                let slope = 1.0 / (b - a);
                let error = a.abs().max(b.abs()) * slope * 2f64.powi(-21) + 2f64.powi(-20);
                let (origin, slope) = Shape::line(a, b, slope, term.inverted);
                (*column, Shape::Linear { origin, slope }, error)
            }
            Scale::Log { column, low, high } if log2_fixed(*low) < log2_fixed(*high) => {
                let unit = f64::from(1u32 << LOG2_BITS);
                let (a, b) = (log2_fixed(*low) as f64 / unit, log2_fixed(*high) as f64 / unit);
                let slope = 1.0 / (b - a);
                let (origin, signed) = Shape::line(a, b, slope, term.inverted);
                let rough = b - a >= ROUGH_FROM && *low >= LARGE && !term.inverted;
                let (shape, error) = if rough {
                    (Shape::Rough { origin, slope: signed }, ROUGH_ERROR + LARGE_ERROR)
                } else {
                    (Shape::Log { origin, slope: signed }, LOG_ERROR)
                };
                let error = if term.inverted { error + TABLE_BELOW } else { error };
                (*column, shape, error * slope + 2f64.powi(-20))
            }
            Scale::Linear { column, .. } | Scale::Log { column, .. } => (*column, Shape::Any, 0.0),
        };
        (Self { column, shape, share: share as f32 }, share * error + 2f64.powi(-22))
    }

    /// The most that anybody of a block can have of it.
    fn most(&self, bounds: &impl Fn(usize) -> Bounds) -> f32 {
        let of = bounds(self.column);
        match &self.shape {
            Shape::Binary(near) => self.share * f32::from(near.possible(bounds)),
            _ if of.low > of.high => 0.0,
            Shape::Linear { slope, .. } | Shape::Log { slope, .. } | Shape::Rough { slope, .. } => {
                self.of_value(if *slope > 0.0 { of.high } else { of.low })
            }
            Shape::Any => self.share,
        }
    }

    /// What one rounded value has of it.
    fn of_value(&self, value: f32) -> f32 {
        if value.is_nan() {
            return 0.0;
        }
        let (value, origin, slope) = match &self.shape {
            Shape::Linear { origin, slope } => (value, origin, slope),
            Shape::Log { origin, slope } => (lane_log2(value), origin, slope),
            Shape::Rough { origin, slope } => (lane_log2_rough(value), origin, slope),
            Shape::Binary(_) | Shape::Any => return self.share,
        };
        self.share * ((value - origin) * slope).clamp(0.0, 1.0)
    }

    /// What one person has of it, or more.
    fn of_person(&self, columns: &[Column], row: usize) -> f32 {
        match &self.shape {
            Shape::Binary(_) | Shape::Any => self.share,
            _ => self.of_value(columns[self.column].near.get(row)),
        }
    }

    /// Have the processor fetch what one person has of it.
    fn fetch(&self, columns: &[Column], row: usize) {
        match &self.shape {
            Shape::Binary(_) | Shape::Any => {}
            _ => lanes::fetch(columns[self.column].near.place(row)),
        }
    }

    fn add(&self, lanes: Lanes, columns: &[Column], block: usize, sums: &mut [f32; BLOCK]) {
        let near = columns.get(self.column).map_or(&[][..], |column| column.near.block(block));
        match &self.shape {
            Shape::Linear { origin, slope } => lanes.linear(near, *origin, *slope, self.share, sums),
            Shape::Log { origin, slope } => lanes.log(near, *origin, *slope, self.share, sums),
            Shape::Rough { origin, slope } => lanes.rough(near, *origin, *slope, self.share, sums),
            Shape::Binary(filter) => {
                let mut marks = [0; BLOCK];
                filter.mark(lanes, columns, block, &mut marks);
                sums.iter_mut().zip(marks).for_each(|(sum, mark)| *sum += self.share * f32::from(mark));
            }
            Shape::Any => sums.iter_mut().for_each(|sum| *sum += self.share),
        }
    }
}

impl Shape {
    /// Where points begin, and how they grow from there.
    fn line(low: f64, high: f64, slope: f64, inverted: bool) -> (f32, f32) {
        let (origin, slope) = if inverted { (high, -slope) } else { (low, slope) };
        (origin as f32, slope as f32)
    }
}

/// Somebody in the running; the greatest of a heap is the one to fall out first.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    sum: i64,
    person: PersonId,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.sum.cmp(&self.sum).then_with(|| self.person.cmp(&other.person))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What all threads of one question share.
struct Question<'a> {
    people: &'a People,
    plan: &'a Plan,
    /// Nothing where everybody is in.
    filter: Option<Near>,
    terms: Vec<NearTerm>,
    /// How far a rounded score, of 1, may be below the exact one.
    error: f64,
    /// Of the exact ones.
    greatest_sum: i64,
    k: usize,
    after: Option<Entry>,
    lanes: Lanes,
    next: AtomicUsize,
    /// At least `k` people have this sum or more.
    reached: AtomicI64,
}

pub(crate) fn top(
    people: &People,
    plan: &Plan,
    k: usize,
    after: Option<(i64, PersonId)>,
    threads: usize,
) -> Vec<(i64, PersonId)> {
    if k == 0 {
        return Vec::new();
    }
    let weights = plan.weights();
    let (terms, errors): (Vec<_>, Vec<_>) =
        plan.terms.iter().map(|term| NearTerm::new(term, weights as f64)).unzip();
    let question = Question {
        people,
        plan,
        filter: (plan.filter != Filter::All(Vec::new()))
            .then(|| Near::new(&plan.filter, false, Doubt::Counts)),
        terms,
        error: errors.iter().sum::<f64>() + 2f64.powi(-20),
        greatest_sum: plan.terms.iter().map(|term| i64::from(term.weight) * FULL).sum(),
        k,
        after: after.map(|(sum, person)| Entry { sum, person }),
        lanes: Lanes::of_this_machine(),
        next: AtomicUsize::new(0),
        reached: AtomicI64::new(-1),
    };
    let mut best: Vec<Entry> = on_threads(threads, || question.work().into_vec()).concat();
    best.sort_unstable();
    best.truncate(k);
    best.into_iter().map(|entry| (entry.sum, entry.person)).collect()
}

/// Run `work` on so many threads, this one among them.
fn on_threads<T: Send>(threads: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(&work)).collect();
        let mut answers = vec![work()];
        for other in others {
            match other.join() {
                Ok(answer) => answers.push(answer),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        answers
    })
}

impl Question<'_> {
    fn work(&self) -> BinaryHeap<Entry> {
        let mut best = BinaryHeap::with_capacity(self.k + 1);
        let blocks = self.people.blocks();
        loop {
            let first = self.next.fetch_add(STRIDE, Ordering::Relaxed);
            if first >= blocks {
                return best;
            }
            for block in first..blocks.min(first + STRIDE) {
                self.block(block, &mut best);
            }
        }
    }

    /// What somebody needs to be among the best, as far as is known.
    fn needed(&self) -> i64 {
        self.reached.load(Ordering::Relaxed)
    }

    fn block(&self, block: usize, best: &mut BinaryHeap<Entry>) {
        let columns = &self.people.columns;
        let bounds = |column: usize| columns.get(column).map_or(Bounds::NONE, |column| column.bounds[block]);
        let threshold = self.threshold();
        let impossible = self.filter.as_ref().is_some_and(|filter| !filter.possible(&bounds));
        if impossible || self.terms.iter().map(|term| term.most(&bounds)).sum::<f32>() < threshold {
            return;
        }
        let filled = self.people.filled(block);
        let mut sums = [0.0; BLOCK];
        if let Some(filter) = &self.filter {
            let mut marks = [0; BLOCK];
            filter.mark(self.lanes, columns, block, &mut marks);
            let passing = self.lanes.count(&marks);
            if passing <= FEW || self.terms.is_empty() {
                let rows = marked(&marks[..filled], block * BLOCK);
                // All are asked for before the first is waited for.
                rows.clone().for_each(|row| self.terms.iter().for_each(|term| term.fetch(columns, row)));
                for row in rows {
                    if self.terms.iter().map(|term| term.of_person(columns, row)).sum::<f32>() >= threshold {
                        self.consider(row, best);
                    }
                }
                return;
            }
            self.lanes.gate(&marks, &mut sums);
        }
        for term in &self.terms {
            term.add(self.lanes, columns, block, &mut sums);
        }
        let threshold = threshold.max(OUT / 2.0);
        if self.lanes.any_at_least(&sums, threshold) {
            for (row, _) in sums[..filled].iter().enumerate().filter(|(_, sum)| **sum >= threshold) {
                self.consider(block * BLOCK + row, best);
            }
        }
    }

    /// The rounded score below which nobody can be among the best.
    fn threshold(&self) -> f32 {
        match self.needed() {
            ..0 => f32::NEG_INFINITY,
            sum => ((sum as f64 / self.greatest_sum.max(1) as f64 - self.error) as f32).next_down(),
        }
    }

    /// Compute somebody exactly, and let them in among the best if they are.
    fn consider(&self, row: usize, best: &mut BinaryHeap<Entry>) {
        let person = self.people.person(row);
        let worst = best.peek().filter(|_| best.len() == self.k).copied();
        if let Some(worst) = worst
            && worst.sum == self.greatest_sum
            && *person >= worst.person
        {
            return; // nobody has more, and of equals they are behind
        }
        let values = |column: usize| self.people.columns[column].exact.get(row);
        if (!self.people.gone.is_empty() && self.people.gone.contains(&row))
            || score::truth(&self.plan.filter, &values) != Some(true)
        {
            return;
        }
        let entry = Entry { sum: score::sum(self.plan, &values), person: *person };
        if self.after.is_some_and(|after| entry <= after) || worst.is_some_and(|worst| entry >= worst) {
            return;
        }
        best.push(entry);
        if best.len() > self.k {
            best.pop();
        }
        if best.len() == self.k
            && let Some(worst) = best.peek()
        {
            self.reached.fetch_max(worst.sum, Ordering::Relaxed);
        }
    }
}

/// Rows from `first` on that are marked: eight that are not cost no more than one.
fn marked(marks: &[u8], first: usize) -> impl Iterator<Item = usize> + Clone {
    let words = marks.chunks(size_of::<u64>()).zip((first..).step_by(size_of::<u64>()));
    let some = words.filter(|(part, _)| part.iter().fold(0, |any, mark| any | mark) != 0);
    some.flat_map(|(part, first)| {
        part.iter().zip(first..).filter(|(mark, _)| **mark != 0).map(|(_, row)| row)
    })
}

/// Call for every row of whom the filter is true; those of whom it surely is are not computed.
fn each(people: &People, filter: &Filter, blocks: std::ops::Range<usize>, mut found: impl FnMut(usize)) {
    let may = Near::new(filter, false, Doubt::Counts);
    let sure = Near::new(filter, false, Doubt::CountsNot);
    let lanes = Lanes::of_this_machine();
    for block in blocks {
        let bounds = |column: usize| people.columns[column].bounds[block];
        if !may.possible(&bounds) {
            continue;
        }
        let (mut perhaps, mut surely) = ([0; BLOCK], [0; BLOCK]);
        may.mark(lanes, &people.columns, block, &mut perhaps);
        sure.mark(lanes, &people.columns, block, &mut surely);
        for place in 0..people.filled(block) {
            let row = block * BLOCK + place;
            let holds = surely[place] != 0
                || (perhaps[place] != 0
                    && score::truth(filter, &|column: usize| people.columns[column].exact.get(row))
                        == Some(true));
            if holds && (people.gone.is_empty() || !people.gone.contains(&row)) {
                found(row);
            }
        }
    }
}

pub(crate) fn count(people: &People, filter: &Filter, threads: usize) -> usize {
    let next = AtomicUsize::new(0);
    let blocks = people.blocks();
    let part = || {
        let mut number = 0;
        loop {
            let first = next.fetch_add(STRIDE, Ordering::Relaxed);
            if first >= blocks {
                return number;
            }
            each(people, filter, first..blocks.min(first + STRIDE), |_| number += 1);
        }
    };
    on_threads(threads, part).into_iter().sum()
}

pub(crate) fn values(people: &People, filter: &Filter, column: usize) -> Vec<i64> {
    let mut values = Vec::new();
    each(people, filter, 0..people.blocks(), |row| values.push(people.columns[column].exact.get(row)));
    values
}
