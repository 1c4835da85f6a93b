//! Everybody's features, and questions about them.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use memmap2::Mmap;

use crate::{
    Batch, Change, MISSING, PersonId, PmsError, Result,
    column::{BLOCK, Column},
    files,
    journal::{self, Journal},
    plan::{Filter, MAX_ROWS, Plan, Scale},
    scan, score,
};

/// One of the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// Who.
    pub person: PersonId,
    /// What the order goes by: weighted points before division (PMS-030).
    pub sum: i64,
    /// Millionths of a point, 0 to 100 points.
    pub score: i64,
}

/// What is known of a person in one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Millionths of the feature's unit; [`MISSING`] where it is not known.
    pub value: i64,
    /// Unix time of the evidence, seconds.
    pub seen: u32,
}

/// Why somebody stands where they stand (PMS-032).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// What the filter says of them.
    pub holds: Option<bool>,
    /// As in [`Ranked`].
    pub sum: i64,
    /// As in [`Ranked`].
    pub score: i64,
    /// Points of each term, 0 to [`FULL`](crate::FULL), and the cell they came from where it is one.
    pub terms: Vec<(i64, Option<Cell>)>,
}

/// Columns of everybody's features.
pub struct People {
    dir: PathBuf,
    generation: u64,
    names: Vec<String>,
    /// Of the files, ascending; they take whole blocks of rows.
    base_ids: Option<Mmap>,
    /// Who came since, in rows behind those.
    tail_ids: Vec<PersonId>,
    tail_rows: HashMap<PersonId, usize>,
    /// Rows of people who were removed.
    pub(crate) gone: HashSet<usize>,
    pub(crate) columns: Vec<Column>,
    offset: u64,
    /// None in a process that only reads.
    journal: Option<Mutex<Journal>>,
    _lock: Option<File>,
}

impl People {
    /// Make columns of people known already, for a folder that has none.
    ///
    /// `people` are in any order, none twice; `column` answers by the place of a column with the value and time of
    /// each of them, and is asked once of each.
    ///
    /// # Errors
    /// [`PmsError::Update`]: somebody is there twice, a column is not of everybody, or the folder is in use;
    /// [`PmsError::Io`]; what `column` fails with. The folder is then as it was.
    pub fn create(
        dir: &Path,
        columns: &[String],
        people: &[PersonId],
        offset: u64,
        mut column: impl FnMut(usize) -> Result<Vec<(i64, u32)>>,
    ) -> Result<()> {
        fs::create_dir_all(dir).map_err(|error| PmsError::io(dir, &error))?;
        let _lock = lock(dir)?;
        let generation = files::current(dir)?.map_or(1, |number| number + 1);
        let mut order: Vec<usize> = (0..people.len()).collect();
        order.sort_unstable_by_key(|place| people[*place]);
        if let Some(pair) = order.windows(2).find(|pair| people[pair[0]] == people[pair[1]]) {
            return Err(PmsError::Update(format!(
                "a person is there twice: places {} and {}",
                pair[0], pair[1]
            )));
        }
        let sorted: Vec<PersonId> = order.iter().map(|place| people[*place]).collect();
        files::write(dir, generation, columns, &sorted, offset, |place| {
            let cells = column(place)?;
            if cells.len() != order.len() {
                let (found, asked) = (cells.len(), order.len());
                return Err(PmsError::Update(format!("column {place}: {found} values of {asked} people")));
            }
            Ok(order.iter().map(|place| cells[*place]).collect())
        })?;
        files::remove_others(dir, generation)
    }

    /// Open the columns of a folder to change them; a folder without any gets them, empty.
    ///
    /// Columns that are not in the files yet are added, knowing nothing of anybody.
    ///
    /// # Errors
    /// [`PmsError::Update`]: another process changes them; [`PmsError::Corrupt`], [`PmsError::Io`].
    pub fn open(dir: &Path, columns: &[String]) -> Result<Self> {
        if files::current(dir)?.is_none() {
            Self::create(dir, columns, &[], 0, |_| Ok(Vec::new()))?;
        }
        let lock = lock(dir)?;
        let mut people = Self::load(dir)?;
        let (batches, length) = journal::read(&files::journal(dir, people.generation))?;
        people.replay(batches)?;
        people.journal = Some(Mutex::new(Journal::open(files::journal(dir, people.generation), length)?));
        people._lock = Some(lock);
        let known = people.names.len();
        for name in columns {
            if !people.names.contains(name) {
                people.names.push(name.clone());
                people.columns.push(Column::empty(people.blocks()));
            }
        }
        if people.names.len() > known {
            people.compact()?; // so that files know every column that the journal names
        }
        Ok(people)
    }

    /// Open the columns of a folder to ask about them as they are now, whoever changes them meanwhile.
    ///
    /// # Errors
    /// [`PmsError::Io`]: there are none; [`PmsError::Corrupt`].
    pub fn read(dir: &Path) -> Result<Self> {
        let mut people = Self::load(dir)?;
        let (batches, _) = journal::read(&files::journal(dir, people.generation))?;
        people.replay(batches)?;
        Ok(people)
    }

    fn load(dir: &Path) -> Result<Self> {
        let Some(generation) = files::current(dir)? else {
            return Err(PmsError::Io(format!("{}: no columns here", dir.display())));
        };
        let files::Generation { meta, ids, columns } = files::open(dir, generation)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            generation,
            names: meta.columns,
            base_ids: ids,
            tail_ids: Vec::new(),
            tail_rows: HashMap::new(),
            gone: HashSet::new(),
            columns,
            offset: meta.offset,
            journal: None,
            _lock: None,
        })
    }

    fn replay(&mut self, batches: Vec<Batch>) -> Result<()> {
        for batch in batches {
            for change in &batch.changes {
                if let Change::Set { column, .. } = change
                    && *column as usize >= self.columns.len()
                {
                    return Err(PmsError::Corrupt(format!(
                        "the journal names column {column}, which is not there"
                    )));
                }
            }
            self.apply(&batch);
        }
        Ok(())
    }

    /// Features, in the order of their columns.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How far of their source the columns are (PMS-041).
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many people there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.base_ids().len() + self.tail_ids.len() - self.gone.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn base_ids(&self) -> &[PersonId] {
        self.base_ids.as_ref().map_or(&[], |map| bytemuck::cast_slice(map))
    }

    fn base_rows(&self) -> usize {
        self.base_ids().len().next_multiple_of(BLOCK)
    }

    pub(crate) fn blocks(&self) -> usize {
        (self.base_rows() + self.tail_ids.len()).div_ceil(BLOCK)
    }

    /// How many rows of a block are people.
    pub(crate) fn filled(&self, block: usize) -> usize {
        let first = block * BLOCK;
        let end = match first.checked_sub(self.base_rows()) {
            None => self.base_ids().len() - first,
            Some(first) => self.tail_ids.len() - first,
        };
        end.min(BLOCK)
    }

    pub(crate) fn person(&self, row: usize) -> &PersonId {
        match row.checked_sub(self.base_rows()) {
            None => &self.base_ids()[row],
            Some(row) => &self.tail_ids[row],
        }
    }

    fn row(&self, person: &PersonId) -> Option<usize> {
        match self.base_ids().binary_search(person) {
            Ok(row) => Some(row),
            Err(_) => self.tail_rows.get(person).copied(),
        }
    }

    /// What is known of a person in a column; `None` of nobody.
    #[must_use]
    pub fn cell(&self, person: &PersonId, column: usize) -> Option<Cell> {
        let row = self.row(person).filter(|row| !self.gone.contains(row))?;
        let column = self.columns.get(column)?;
        Some(Cell { value: column.exact.get(row), seen: column.seen.get(row) })
    }

    /// Take changes, durable once this returns; false where the columns are as far already (PMS-041).
    ///
    /// # Errors
    /// [`PmsError::Update`]: a column is not there, or this process only reads; [`PmsError::Io`]. Nothing was taken.
    pub fn update(&mut self, batch: &Batch) -> Result<bool> {
        let fresh = self.record(batch)?;
        if fresh {
            self.apply(batch);
        }
        Ok(fresh)
    }

    /// Bring changes onto the disk, to be applied next; false where the columns are as far already.
    pub(crate) fn record(&self, batch: &Batch) -> Result<bool> {
        let known = self.columns.len();
        for change in &batch.changes {
            if let Change::Set { column, .. } = change
                && *column as usize >= known
            {
                return Err(PmsError::Update(format!("no column {column}: there are {known}")));
            }
        }
        let Some(journal) = &self.journal else {
            return Err(PmsError::Update("these columns were opened for reading".to_owned()));
        };
        if batch.offset <= self.offset {
            return Ok(false);
        }
        journal.lock().unwrap_or_else(PoisonError::into_inner).append(batch)?;
        Ok(true)
    }

    pub(crate) fn apply(&mut self, batch: &Batch) {
        for change in &batch.changes {
            match change {
                Change::Set { person, column, value, seen } => {
                    let row = self.row(person).unwrap_or_else(|| self.add(*person));
                    self.gone.remove(&row);
                    self.columns[*column as usize].set(row, *value, *seen);
                }
                Change::Remove { person } => {
                    if let Some(row) = self.row(person) {
                        self.columns.iter_mut().for_each(|column| column.set(row, MISSING, 0));
                        self.gone.insert(row);
                    }
                }
            }
        }
        self.offset = self.offset.max(batch.offset);
    }

    fn add(&mut self, person: PersonId) -> usize {
        let row = self.base_rows() + self.tail_ids.len();
        self.tail_ids.push(person);
        self.tail_rows.insert(person, row);
        while self.columns.first().is_some_and(|column| column.bounds.len() < self.blocks()) {
            self.columns.iter_mut().for_each(Column::grow);
        }
        row
    }

    /// Bytes of the journal: what opening reads again.
    #[must_use]
    pub fn journal_bytes(&self) -> u64 {
        self.journal
            .as_ref()
            .map_or(0, |journal| journal.lock().unwrap_or_else(PoisonError::into_inner).length())
    }

    /// Write the columns anew, ordered, without those who were removed, and empty the journal (PMS-042).
    ///
    /// # Errors
    /// [`PmsError::Update`]: this process only reads; [`PmsError::Io`]: the old files stay in use.
    pub fn compact(&mut self) -> Result<()> {
        let fresh = self.rewritten();
        self.take_over(fresh)
    }

    /// Write the columns anew and open them.
    pub(crate) fn rewritten(&self) -> Result<Self> {
        if self.journal.is_none() {
            return Err(PmsError::Update("these columns were opened for reading".to_owned()));
        }
        let mut rows: Vec<usize> = (0..self.blocks())
            .flat_map(|block| (0..self.filled(block)).map(move |row| block * BLOCK + row))
            .filter(|row| !self.gone.contains(row))
            .collect();
        rows.sort_unstable_by_key(|row| self.person(*row));
        let people: Vec<PersonId> = rows.iter().map(|row| *self.person(*row)).collect();
        let generation = self.generation + 1;
        files::write(&self.dir, generation, &self.names, &people, self.offset, |place| {
            let column = &self.columns[place];
            Ok(rows.iter().map(|row| (column.exact.get(*row), column.seen.get(*row))).collect())
        })?;
        let mut fresh = Self::load(&self.dir)?;
        fresh.journal = Some(Mutex::new(Journal::open(files::journal(&self.dir, generation), 0)?));
        Ok(fresh)
    }

    /// Go on with columns written anew.
    pub(crate) fn take_over(&mut self, fresh: Result<Self>) -> Result<()> {
        match fresh {
            Ok(mut fresh) => {
                fresh._lock = self._lock.take();
                *self = fresh;
                files::remove_others(&self.dir, self.generation)
            }
            Err(error) => {
                if files::current(&self.dir) != Ok(Some(self.generation)) {
                    self.journal = None; // what it would take counts no more
                }
                Err(error)
            }
        }
    }

    /// The best `k` of those of whom the filter is true: by score, then by passport (PMS-030).
    ///
    /// `after` is the last of the page before: its sum and person. `threads` of 1 or more take part.
    ///
    /// # Errors
    /// [`PmsError::Plan`]: the plan is not sound, or `k` above [`MAX_ROWS`].
    pub fn top(
        &self,
        plan: &Plan,
        k: usize,
        after: Option<(i64, PersonId)>,
        threads: usize,
    ) -> Result<Vec<Ranked>> {
        plan.check(self.columns.len())?;
        if k > MAX_ROWS {
            return Err(PmsError::Plan(format!("{k} rows; at most {MAX_ROWS}")));
        }
        let weights = plan.weights();
        let ranked = |(sum, person)| Ranked { person, sum, score: sum / weights };
        Ok(scan::top(self, plan, k, after, threads).into_iter().map(ranked).collect())
    }

    /// How many people the filter is true of.
    ///
    /// # Errors
    /// [`PmsError::Plan`]: the filter is not sound.
    pub fn count(&self, filter: &Filter, threads: usize) -> Result<usize> {
        let plan = Plan { filter: filter.clone(), terms: Vec::new() };
        plan.check(self.columns.len())?;
        Ok(scan::count(self, &plan.filter, threads))
    }

    /// The value at or below which `share` thousandths of the people in the filter are, of those of whom the
    /// feature is more than 0 (QRY-020); `None` of nobody.
    ///
    /// # Errors
    /// [`PmsError::Plan`]: the filter is not sound, or there is no such column.
    pub fn percentile(&self, column: usize, filter: &Filter, share: u32) -> Result<Option<i64>> {
        let positive = Filter::Range { column, low: 1, high: i64::MAX };
        let plan = Plan { filter: Filter::All(vec![positive, filter.clone()]), terms: Vec::new() };
        plan.check(self.columns.len())?;
        let mut values = scan::values(self, &plan.filter, column);
        if values.is_empty() {
            return Ok(None);
        }
        let rank = (values.len() as u64 * u64::from(share.min(1000))).div_ceil(1000).max(1) as usize - 1;
        Ok(Some(*values.select_nth_unstable(rank).1))
    }

    /// Why a person stands where they stand (PMS-032); `None` of nobody.
    ///
    /// # Errors
    /// [`PmsError::Plan`]: the plan is not sound.
    pub fn explain(&self, plan: &Plan, person: &PersonId) -> Result<Option<Explained>> {
        plan.check(self.columns.len())?;
        let Some(row) = self.row(person).filter(|row| !self.gone.contains(row)) else {
            return Ok(None);
        };
        let values = |column: usize| self.columns[column].exact.get(row);
        let sum = score::sum(plan, &values);
        let terms = plan.terms.iter().map(|term| {
            let cell = match &term.scale {
                Scale::Binary(_) => None,
                Scale::Linear { column, .. } | Scale::Log { column, .. } => self.cell(person, *column),
            };
            (score::points(term, &values), cell)
        });
        Ok(Some(Explained {
            holds: score::truth(&plan.filter, &values),
            sum,
            score: sum / plan.weights(),
            terms: terms.collect(),
        }))
    }
}

/// Take the folder for this process alone to write in.
fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(|error| PmsError::io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            Err(PmsError::Update(format!("{}: another process changes these columns", dir.display())))
        }
        Err(fs::TryLockError::Error(error)) => Err(PmsError::io(&path, &error)),
    }
}
