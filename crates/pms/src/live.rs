//! The columns of a process that asks and changes them at the same time.

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::{Batch, People, Result};

/// [`People`] for many threads: whoever asks waits for the moment in which changes are put into the columns, and
/// neither for the disk nor for compaction.
pub struct Live {
    people: RwLock<People>,
    /// Held by the one who changes.
    changing: Mutex<()>,
    /// Held from the moment on in which changes wait to be put in: who asks next waits behind them, so that any
    /// number of questions, one after another, keeps no change out.
    turn: Mutex<()>,
}

impl Live {
    /// Share these.
    #[must_use]
    pub fn new(people: People) -> Self {
        Self { people: RwLock::new(people), changing: Mutex::new(()), turn: Mutex::new(()) }
    }

    /// Ask: nothing changes as long as the answer is held.
    pub fn read(&self) -> RwLockReadGuard<'_, People> {
        drop(self.turn.lock());
        self.people.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut People) -> T) -> T {
        let _turn = self.turn.lock();
        change(&mut self.people.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// As [`People::update`].
    ///
    /// # Errors
    /// As there.
    pub fn update(&self, batch: &Batch) -> Result<bool> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = self.read().record(batch)?;
        if fresh {
            self.change(|people| people.apply(batch));
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
        self.change(|people| people.take_over(fresh))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{sync::TryLockError, thread};

    use super::*;
    use crate::{Change, MISSING};

    /// PMS-040: questions that overlap without end do not keep a change out.
    #[test]
    fn who_asks_after_a_change_waits_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["one".to_owned()];
        People::create(folder.path(), &names, &[[1; 32]], 0, |_| Ok(vec![(MISSING, 0)])).unwrap();
        let live = Live::new(People::open(folder.path(), &names).unwrap());
        let change = Change::Set { person: [1; 32], column: 0, value: 7, seen: 1 };
        thread::scope(|scope| {
            let asking = live.read();
            let writer = scope.spawn(|| live.update(&Batch { offset: 1, changes: vec![change] }));
            while !matches!(live.turn.try_lock(), Err(TryLockError::WouldBlock)) {
                thread::yield_now();
            }
            let next = scope.spawn(|| live.read().offset());
            thread::yield_now();
            drop(asking);
            assert_eq!(next.join().unwrap(), 1);
            assert!(writer.join().unwrap().unwrap());
        });
    }
}
