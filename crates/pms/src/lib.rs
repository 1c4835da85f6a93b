//! The kernel of the Persona Matching Score: who fits best, exactly, of everybody.
//!
//! [`People`] keeps one column for each feature, mapped from files, updated live through a journal.
//! A [`Plan`] says who is in an audience and what brings somebody forward; [`People::top`] answers with the
//! best in a fixed order. Rules: specs/matching.md.
//!
//! Every value stands in two columns: as it is (64 bits), and rounded to 32 bits. A query passes over the
//! rounded ones alone, a block of people at a time, and computes the exact score only of those whom rounding
//! cannot rule out ([`scan`](crate::scan)). So the answer is exact at the price of the smaller column.

mod column;
mod error;
mod files;
mod journal;
mod lanes;
mod live;
mod log2;
mod people;
mod plan;
mod scan;
mod score;

pub use error::{PmsError, Result};
pub use journal::{Batch, Change};
pub use live::Live;
pub use log2::{LOG2_BITS, log2_fixed, log2_table};
pub use people::{Cell, Explained, People, Ranked};
pub use plan::{FULL, Filter, MAX_ROWS, Plan, Scale, Term};

/// Number of a passport: what a person is here, and what decides between equal scores (PMS-030).
pub type PersonId = [u8; 32];

/// What stands where nothing is known of a person (PMS-003).
pub const MISSING: i64 = i64::MIN;
