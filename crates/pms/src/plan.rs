//! A query as the kernel takes it: columns by their place, numbers in fixed point.

use serde::{Deserialize, Serialize};

use crate::{PmsError, Result};

/// The score of 100 points, in millionths of a point (PMS-020).
pub const FULL: i64 = 100_000_000;

/// Rows that one answer holds at most.
pub const MAX_ROWS: usize = 10_000;

/// Weights are in thousandths, of which there are at most so many (PMS-024).
const MAX_WEIGHT: u32 = 1_000_000;

/// Terms and filters together.
const MAX_PARTS: usize = 4_096;

const MAX_DEPTH: usize = 128;

/// Who is in, and who comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Only those of whom this is true (PMS-010).
    pub filter: Filter,
    /// What the score is the sum of; without any, everybody scores 0.
    #[serde(default)]
    pub terms: Vec<Term>,
}

/// A statement about a person: true, false, or not known (PMS-011).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// Every part holds; of no parts, true.
    All(Vec<Filter>),
    /// Some part holds; of no parts, false.
    Any(Vec<Filter>),
    /// The part does not hold.
    Not(Box<Filter>),
    /// The value is known and lies within both bounds, themselves included.
    Range {
        /// Place of the column.
        column: usize,
        /// Least value.
        low: i64,
        /// Greatest value.
        high: i64,
    },
}

/// How a value becomes points (PMS-021, PMS-022, PMS-023).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scale {
    /// All points where this is true.
    Binary(Filter),
    /// Points grow with the value, from `low` to `high`.
    Linear {
        /// Place of the column.
        column: usize,
        /// Value of no points.
        low: i64,
        /// Value of all points.
        high: i64,
    },
    /// Points grow with the value's logarithm, from `low` to `high`.
    Log {
        /// Place of the column.
        column: usize,
        /// Value of no points.
        low: i64,
        /// Value of all points.
        high: i64,
    },
}

/// One term of the score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// How the value becomes points.
    pub scale: Scale,
    /// Of a known value, what is missing to all points counts.
    #[serde(default)]
    pub inverted: bool,
    /// Thousandths, 1 to 1,000,000.
    pub weight: u32,
}

impl Plan {
    /// Read a plan.
    ///
    /// # Errors
    /// [`PmsError::Plan`]: it is none, with the place in the text.
    pub fn from_json(text: &[u8], columns: usize) -> Result<Self> {
        let plan: Self = serde_json::from_slice(text).map_err(|error| PmsError::Plan(error.to_string()))?;
        plan.check(columns)?;
        Ok(plan)
    }

    /// Check that every column is there, every number in its bounds, and the whole not too much work (PMS-024).
    ///
    /// # Errors
    /// [`PmsError::Plan`]: what is wrong.
    pub fn check(&self, columns: usize) -> Result<()> {
        let mut parts = self.terms.len();
        self.filter.check(columns, &mut parts, 0)?;
        for (place, term) in self.terms.iter().enumerate() {
            if !(1..=MAX_WEIGHT).contains(&term.weight) {
                return Err(PmsError::Plan(format!(
                    "weight {} of term {place} is not from 1 to {MAX_WEIGHT} thousandths",
                    term.weight
                )));
            }
            match &term.scale {
                Scale::Binary(filter) => filter.check(columns, &mut parts, 0)?,
                Scale::Linear { column, low, high } | Scale::Log { column, low, high } => {
                    known(*column, columns)?;
                    if low > high || *low == i64::MIN {
                        return Err(PmsError::Plan(format!("bounds of term {place}: {low} to {high}")));
                    }
                }
            }
        }
        if parts > MAX_PARTS {
            return Err(PmsError::Plan(format!("{parts} parts; at most {MAX_PARTS}")));
        }
        Ok(())
    }

    /// The sum of all weights, which divides a score (PMS-020); 1 without terms.
    #[must_use]
    pub fn weights(&self) -> i64 {
        self.terms.iter().map(|term| i64::from(term.weight)).sum::<i64>().max(1)
    }
}

impl Filter {
    fn check(&self, columns: usize, parts: &mut usize, depth: usize) -> Result<()> {
        *parts += 1;
        if depth > MAX_DEPTH {
            return Err(PmsError::Plan(format!("nested deeper than {MAX_DEPTH}")));
        }
        match self {
            Self::All(inner) | Self::Any(inner) => {
                inner.iter().try_for_each(|part| part.check(columns, parts, depth + 1))
            }
            Self::Not(part) => part.check(columns, parts, depth + 1),
            Self::Range { column, .. } => known(*column, columns),
        }
    }
}

fn known(column: usize, columns: usize) -> Result<()> {
    if column < columns {
        return Ok(());
    }
    Err(PmsError::Plan(format!("no column {column}: there are {columns}")))
}
