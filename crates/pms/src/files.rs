//! Generations of files: each is written whole beside the one in use, then takes its place.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use memmap2::{Mmap, MmapMut, MmapOptions};
use serde::{Deserialize, Serialize};

use crate::{
    PersonId, PmsError, Result,
    column::{BLOCK, Bounds, Cells, Column, rounded},
};

const FORMAT: u32 = 1;
const CURRENT: &str = "CURRENT";

/// What a generation holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Meta {
    format: u32,
    /// Features, in the order of their columns.
    pub(crate) columns: Vec<String>,
    pub(crate) people: usize,
    /// How far of its source it goes.
    pub(crate) offset: u64,
}

/// A generation, opened.
pub(crate) struct Generation {
    pub(crate) meta: Meta,
    /// Ascending.
    pub(crate) ids: Option<Mmap>,
    pub(crate) columns: Vec<Column>,
}

/// Return the number of the generation in use; `None` in a folder that has none.
pub(crate) fn current(dir: &Path) -> Result<Option<u64>> {
    let path = dir.join(CURRENT);
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim_end().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(PmsError::Corrupt(format!("{}: not a number", path.display()))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PmsError::io(&path, &error)),
    }
}

pub(crate) fn folder(dir: &Path, generation: u64) -> PathBuf {
    dir.join(generation.to_string())
}

pub(crate) fn journal(dir: &Path, generation: u64) -> PathBuf {
    folder(dir, generation).join("journal")
}

/// Map a generation's files.
pub(crate) fn open(dir: &Path, generation: u64) -> Result<Generation> {
    let folder = folder(dir, generation);
    let path = folder.join("meta.json");
    let text = fs::read(&path).map_err(|error| PmsError::io(&path, &error))?;
    let meta: Meta = serde_json::from_slice(&text)
        .map_err(|error| PmsError::Corrupt(format!("{}: {error}", path.display())))?;
    if meta.format != FORMAT {
        return Err(PmsError::Corrupt(format!("{}: format {}, not {FORMAT}", path.display(), meta.format)));
    }
    let rows = meta.people.next_multiple_of(BLOCK);
    let ids = mapped(&folder.join("ids"), meta.people * size_of::<PersonId>())?
        .map(MmapMut::make_read_only)
        .transpose()
        .map_err(|error| PmsError::io(&folder, &error))?;
    let column = |place: usize| {
        let file = |kind: &str, bytes: usize| mapped(&folder.join(format!("{place}.{kind}")), bytes);
        let bounds: Cells<Bounds> = Cells::new(file("bounds", rows / BLOCK * size_of::<Bounds>())?);
        Ok(Column {
            exact: Cells::new(file("exact", rows * size_of::<i64>())?),
            near: Cells::new(file("near", rows * size_of::<f32>())?),
            seen: Cells::new(file("seen", rows * size_of::<u32>())?),
            bounds: (0..rows / BLOCK).map(|block| bounds.get(block)).collect(),
        })
    };
    let columns = (0..meta.columns.len()).map(column).collect::<Result<_>>()?;
    Ok(Generation { meta, ids, columns })
}

/// Map a file privately: what this process writes there is seen by nobody else and never reaches the disk.
fn mapped(path: &Path, bytes: usize) -> Result<Option<MmapMut>> {
    let fault = |error: std::io::Error| PmsError::io(path, &error);
    let file = File::open(path).map_err(fault)?;
    let found = file.metadata().map_err(fault)?.len();
    if found != bytes as u64 {
        return Err(PmsError::Corrupt(format!("{}: {found} bytes, not {bytes}", path.display())));
    }
    if bytes == 0 {
        return Ok(None);
    }
    // SAFETY: files of a generation are never written again once it is in use; a new one has files of its own.
    unsafe { MmapOptions::new().map_copy(&file) }.map(Some).map_err(fault)
}

/// Write a generation and make it the one in use.
///
/// `people` are ascending; `column` answers with what is known of each of them in a column, values and times, and
/// is asked once of each, so that one is in memory at a time.
pub(crate) fn write(
    dir: &Path,
    generation: u64,
    columns: &[String],
    people: &[PersonId],
    offset: u64,
    mut column: impl FnMut(usize) -> Result<Vec<(i64, u32)>>,
) -> Result<()> {
    let folder = folder(dir, generation);
    let fault = |error: std::io::Error| PmsError::io(&folder, &error);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(fault)?; // of a run that was cut off
    }
    fs::create_dir_all(&folder).map_err(fault)?;
    let meta = Meta { format: FORMAT, columns: columns.to_vec(), people: people.len(), offset };
    let text = serde_json::to_vec_pretty(&meta).map_err(|error| PmsError::Io(error.to_string()))?;
    put(&folder.join("meta.json"), [text.as_slice()]).map_err(fault)?;
    put(&folder.join("ids"), [people.as_flattened()]).map_err(fault)?;
    let rows = people.len().next_multiple_of(BLOCK);
    for place in 0..columns.len() {
        let mut cells = column(place)?;
        cells.resize(rows, (crate::MISSING, 0));
        let near: Vec<f32> = cells.iter().map(|(value, _)| rounded(*value)).collect();
        let bounds: Vec<Bounds> = near.chunks(BLOCK).map(Bounds::of).collect();
        let file = |kind: &str| folder.join(format!("{place}.{kind}"));
        put(
            &file("exact"),
            cells
                .chunks(BLOCK)
                .map(|part| part.iter().flat_map(|(value, _)| value.to_ne_bytes()).collect::<Vec<u8>>()),
        )
        .and_then(|()| {
            put(
                &file("seen"),
                cells
                    .chunks(BLOCK)
                    .map(|part| part.iter().flat_map(|(_, seen)| seen.to_ne_bytes()).collect::<Vec<u8>>()),
            )
        })
        .and_then(|()| put(&file("near"), [bytemuck::cast_slice::<f32, u8>(&near)]))
        .and_then(|()| put(&file("bounds"), [bytemuck::cast_slice::<Bounds, u8>(&bounds)]))
        .map_err(fault)?;
    }
    put(&folder.join("journal"), [[]]).map_err(fault)?;
    // All of them at the end: waiting for each by itself takes many times as long.
    for entry in fs::read_dir(&folder).map_err(fault)? {
        entry.and_then(|entry| sync(&entry.path())).map_err(fault)?;
    }
    sync(&folder).map_err(fault)?;
    let next = dir.join("CURRENT.next");
    put(&next, [format!("{generation}\n").as_bytes()])
        .and_then(|()| sync(&next))
        .and_then(|()| fs::rename(&next, dir.join(CURRENT)))
        .and_then(|()| sync(dir))
        .map_err(fault)
}

/// Remove what is not in use. A process that still maps it keeps it until it lets go.
pub(crate) fn remove_others(dir: &Path, generation: u64) -> Result<()> {
    let fault = |error: std::io::Error| PmsError::io(dir, &error);
    for entry in fs::read_dir(dir).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let number = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
        if number.is_some_and(|number| number != generation) {
            fs::remove_dir_all(entry.path()).map_err(fault)?;
        }
    }
    Ok(())
}

fn put<B: AsRef<[u8]>>(path: &Path, parts: impl IntoIterator<Item = B>) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for part in parts {
        file.write_all(part.as_ref())?;
    }
    file.flush()
}

/// Wait until a file, or a folder's names, are on disk.
fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}
