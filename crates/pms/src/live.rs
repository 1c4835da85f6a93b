//! The columns of a process that asks and changes them at the same time.

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::{Batch, People, Result};

/// [`People`] for many threads: whoever asks waits for the moment in which changes are put into the columns, and
/// neither for the disk nor for compaction.
pub struct Live {
    people: RwLock<People>,
    /// Held by the one who changes.
    changing: Mutex<()>,
}

impl Live {
    /// Share these.
    #[must_use]
    pub fn new(people: People) -> Self {
        Self { people: RwLock::new(people), changing: Mutex::new(()) }
    }

    /// Ask: nothing changes as long as the answer is held.
    pub fn read(&self) -> RwLockReadGuard<'_, People> {
        self.people.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`People::update`].
    ///
    /// # Errors
    /// As there.
    pub fn update(&self, batch: &Batch) -> Result<bool> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = self.read().record(batch)?;
        if fresh {
            self.people.write().unwrap_or_else(PoisonError::into_inner).apply(batch);
        }
        Ok(fresh)
    }

    /// As [`People::compact`].
    ///
    /// # Errors
    /// As there.
    pub fn compact(&self) -> Result<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = self.read().rewritten();
        self.people.write().unwrap_or_else(PoisonError::into_inner).take_over(fresh)
    }
}
