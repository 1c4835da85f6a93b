//! `trex._core.People`: columns of everybody's features, and who fits a plan best.

use std::path::Path;

use pyo3::{prelude::*, pybacked::PyBackedBytes, types::PyBytes};
use trex_pms::{Batch, Cell, Change, Filter, Live, MISSING, PersonId, Plan, PmsError, Result, log2_table};

use crate::errors;

/// Of a cell, the value, none where it is not known, and the time of its evidence.
type Known = (Option<i64>, u32);

/// What is true of a person, sum, score, and of each term its points and the cell they came from.
type Told = (Option<bool>, i64, i64, Vec<(i64, Option<Known>)>);

/// Passport, sum and score of one of the best.
type Place<'py> = (Bound<'py, PyBytes>, i64, i64);

/// Entries of the published table of logarithms (PMS-022).
#[pyfunction]
pub(crate) fn pms_log2_table() -> Vec<u32> {
    log2_table().to_vec()
}

/// Columns of a folder, shared by threads that ask and one that changes them.
#[pyclass(frozen)]
pub(crate) struct People {
    inner: Live,
}

#[pymethods]
impl People {
    #[staticmethod]
    fn create(
        py: Python<'_>,
        path: &str,
        columns: Vec<String>,
        people: &[u8],
        offset: u64,
        column: Py<PyAny>,
    ) -> PyResult<()> {
        let mut raised = None;
        let made = persons(people).and_then(|ids| {
            py.detach(|| {
                trex_pms::People::create(Path::new(path), &columns, &ids, offset, |place| {
                    asked(&column, place).unwrap_or_else(|error| {
                        raised = Some(error);
                        Err(PmsError::Update("a column could not be had".to_owned()))
                    })
                })
            })
        });
        match raised {
            Some(error) => Err(error),
            None => made.map_err(|error| errors::pms(&error)),
        }
    }

    #[staticmethod]
    fn open(py: Python<'_>, path: &str, columns: Vec<String>) -> PyResult<Self> {
        shared(py.detach(|| trex_pms::People::open(Path::new(path), &columns)))
    }

    #[staticmethod]
    fn read(py: Python<'_>, path: &str) -> PyResult<Self> {
        shared(py.detach(|| trex_pms::People::read(Path::new(path))))
    }

    #[getter]
    fn names(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| self.inner.read().names().to_vec())
    }

    #[getter]
    fn offset(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.inner.read().offset())
    }

    #[getter]
    fn journal_bytes(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.inner.read().journal_bytes())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.inner.read().len())
    }

    #[pyo3(signature = (plan, k, after=None, threads=1))]
    fn top<'py>(
        &self,
        py: Python<'py>,
        plan: &[u8],
        k: usize,
        after: Option<(i64, PyBackedBytes)>,
        threads: usize,
    ) -> PyResult<Vec<Place<'py>>> {
        let best = py.detach(|| {
            let after = after.map(|(sum, id)| Ok((sum, person(&id)?))).transpose()?;
            let people = self.inner.read();
            let plan = Plan::from_json(plan, people.names().len())?;
            people.top(&plan, k, after, threads)
        });
        let place = |best: trex_pms::Ranked| (PyBytes::new(py, &best.person), best.sum, best.score);
        best.map(|best| best.into_iter().map(place).collect()).map_err(|error| errors::pms(&error))
    }

    #[pyo3(signature = (r#where, threads=1))]
    fn count(&self, py: Python<'_>, r#where: &[u8], threads: usize) -> PyResult<usize> {
        py.detach(|| self.inner.read().count(&parsed(r#where)?, threads)).map_err(|error| errors::pms(&error))
    }

    fn percentile(&self, py: Python<'_>, column: usize, r#where: &[u8], share: u32) -> PyResult<Option<i64>> {
        py.detach(|| self.inner.read().percentile(column, &parsed(r#where)?, share))
            .map_err(|error| errors::pms(&error))
    }

    fn cell(&self, py: Python<'_>, passport: &[u8], column: usize) -> PyResult<Option<Known>> {
        py.detach(|| Ok(self.inner.read().cell(&person(passport)?, column).map(known)))
            .map_err(|error: PmsError| errors::pms(&error))
    }

    fn explain(&self, py: Python<'_>, plan: &[u8], passport: &[u8]) -> PyResult<Option<Told>> {
        let told = py.detach(|| {
            let people = self.inner.read();
            let plan = Plan::from_json(plan, people.names().len())?;
            people.explain(&plan, &person(passport)?)
        });
        let told = told.map_err(|error| errors::pms(&error))?;
        Ok(told.map(|told| {
            let terms = told.terms.into_iter().map(|(points, cell)| (points, cell.map(known)));
            (told.holds, told.sum, told.score, terms.collect())
        }))
    }

    fn update(
        &self,
        py: Python<'_>,
        offset: u64,
        cells: (PyBackedBytes, PyBackedBytes, PyBackedBytes, PyBackedBytes),
        removed: &[u8],
    ) -> PyResult<bool> {
        py.detach(|| {
            let (ids, columns, values, seen) = cells;
            let ids = persons(&ids)?;
            let columns: Vec<u32> = numbers(&columns, ids.len(), u32::from_ne_bytes)?;
            let values: Vec<i64> = numbers(&values, ids.len(), i64::from_ne_bytes)?;
            let seen: Vec<u32> = numbers(&seen, ids.len(), u32::from_ne_bytes)?;
            let cells = columns.into_iter().zip(values).zip(seen);
            let set = ids.into_iter().zip(cells).map(|(person, ((column, value), seen))| Change::Set {
                person,
                column,
                value,
                seen,
            });
            let gone = persons(removed)?.into_iter().map(|person| Change::Remove { person });
            self.inner.update(&Batch { offset, changes: set.chain(gone).collect() })
        })
        .map_err(|error| errors::pms(&error))
    }

    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.compact()).map_err(|error| errors::pms(&error))
    }
}

fn shared(people: Result<trex_pms::People>) -> PyResult<People> {
    people.map(|people| People { inner: Live::new(people) }).map_err(|error| errors::pms(&error))
}

/// A column as Python has it: values and times, one after another. The outer error is Python's.
fn asked(column: &Py<PyAny>, place: usize) -> PyResult<Result<Vec<(i64, u32)>>> {
    let (values, seen) =
        Python::attach(|py| column.call1(py, (place,))?.extract::<(PyBackedBytes, PyBackedBytes)>(py))?;
    let count = values.len() / size_of::<i64>();
    let whole = numbers(&values, count, i64::from_ne_bytes)
        .and_then(|values| Ok(values.into_iter().zip(numbers(&seen, count, u32::from_ne_bytes)?).collect()));
    Ok(whole)
}

/// Numbers of a machine's own order, one after another, of which there must be so many.
fn numbers<const N: usize, T>(bytes: &[u8], count: usize, read: fn([u8; N]) -> T) -> Result<Vec<T>> {
    let (parts, rest) = bytes.as_chunks::<N>();
    if parts.len() != count || !rest.is_empty() {
        return Err(PmsError::Update(format!("{} bytes are not {count} numbers of {N}", bytes.len())));
    }
    Ok(parts.iter().copied().map(read).collect())
}

fn persons(bytes: &[u8]) -> Result<Vec<PersonId>> {
    numbers(bytes, bytes.len() / size_of::<PersonId>(), |id: PersonId| id)
}

fn person(bytes: &[u8]) -> Result<PersonId> {
    bytes.try_into().map_err(|_| PmsError::Plan(format!("a passport is 32 bytes, not {}", bytes.len())))
}

fn parsed(filter: &[u8]) -> Result<Filter> {
    serde_json::from_slice(filter).map_err(|error| PmsError::Plan(error.to_string()))
}

fn known(cell: Cell) -> Known {
    ((cell.value != MISSING).then_some(cell.value), cell.seen)
}
