//! What can go wrong, classed by what the caller must do.

use std::{fmt, io, path::Path};

/// Answer of every fallible call.
pub type Result<T> = std::result::Result<T, PmsError>;

/// A fault of the kernel. [`PmsError::code`] is stable; the text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PmsError {
    /// The query cannot be answered as it stands: mend it.
    Plan(String),
    /// An update cannot be taken: nothing of it was.
    Update(String),
    /// Bytes on disk are not the ones that were written: build the columns anew from the lake.
    Corrupt(String),
    /// The file system refused.
    Io(String),
}

impl PmsError {
    /// A word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Plan(_) => "plan",
            Self::Update(_) => "update",
            Self::Corrupt(_) => "corrupt",
            Self::Io(_) => "io",
        }
    }

    pub(crate) fn io(place: &Path, error: &io::Error) -> Self {
        Self::Io(format!("{}: {error}", place.display()))
    }
}

impl fmt::Display for PmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(text) | Self::Update(text) | Self::Corrupt(text) | Self::Io(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for PmsError {}
