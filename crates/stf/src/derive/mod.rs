//! Derivation: from a header of the inbox and preimages to blocks (specs/derivation.md).
//!
//! [`plan`] reads the batch, checks it against the rules and answers attributes and transactions of
//! its blocks. A batch that cannot be read or breaks a rule reads as empty: the blocks are then
//! those that the header's origin and deposits call for, and the outcome says why. [`execute`] makes
//! the blocks. Only a missing or wrong preimage is an error: it means "cannot tell".

mod blob;
mod due;
mod execute;
mod inbox;
mod l1;
mod plan;
pub mod program;

pub use blob::ProvenBlob;
pub use due::{Due, MAX_SLOT};
pub use execute::{Derived, Overlay, execute};
pub use inbox::{BatchHeader, Carrier, Deposit, Queue, accumulate};
pub use l1::{BlobSchedule, L1Header, blob_base_fee_wei};
pub use plan::{
    DerivationParams, DeriveError, Outcome, Parent, Plan, PlannedBlock, Preimages, plan, plan_read,
    read_batch,
};
