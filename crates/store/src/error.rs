//! What can go wrong, classed by what the caller must do.

use std::{fmt, io};

/// Answer of every fallible call of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A fault of the store. [`StoreError::code`] is stable; the text is for people.
///
/// A fault that stops writing is what every write after it answers, whichever thread met it: callers see
/// its cause, not that it came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another process has the folder open: stop, or use the other process.
    Locked {
        /// The folder.
        path: String,
    },
    /// Bytes on disk are not the ones that were written: stop, restore or resynchronise. Nothing
    /// was overwritten.
    Corrupt {
        /// File or table.
        place: String,
        /// What was found against what was expected.
        detail: String,
    },
    /// The disk is full: writes are refused until the store is reopened, reads go on.
    DiskFull {
        /// What was being written.
        detail: String,
    },
    /// The folder belongs to another network.
    WrongNetwork {
        /// Hash of the network file that was asked for.
        expected: String,
        /// Hash kept in the folder.
        found: String,
    },
    /// The folder was written in a format this build does not read.
    WrongFormat {
        /// Format of this build.
        expected: u32,
        /// Format of the folder.
        found: u32,
    },
    /// The operating system refused; writes are refused until the store is reopened.
    Io {
        /// What was being done, and the system's words.
        detail: String,
    },
    /// State of that block is no longer kept.
    Pruned {
        /// Block that was asked for.
        block: u64,
        /// First block whose state is kept.
        earliest: u64,
    },
    /// No such block.
    UnknownBlock {
        /// Block that was asked for.
        block: u64,
    },
    /// The caller broke a rule of the interface (a block that does not follow the head, lengths
    /// that differ): a bug of the caller, nothing was written.
    Misuse {
        /// Which rule.
        detail: String,
    },
}

impl StoreError {
    /// Stable code, for logs and for the seam to other languages.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "store_locked",
            Self::Corrupt { .. } => "store_corrupt",
            Self::DiskFull { .. } => "store_disk_full",
            Self::WrongNetwork { .. } => "store_wrong_network",
            Self::WrongFormat { .. } => "store_wrong_format",
            Self::Io { .. } => "store_io",
            Self::Pruned { .. } => "store_pruned",
            Self::UnknownBlock { .. } => "store_unknown_block",
            Self::Misuse { .. } => "store_misuse",
        }
    }

    pub(crate) fn corrupt(place: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Corrupt { place: place.into(), detail: detail.into() }
    }

    pub(crate) fn misuse(detail: impl Into<String>) -> Self {
        Self::Misuse { detail: detail.into() }
    }

    /// Translates an I/O fault; `doing` says what was being done.
    pub(crate) fn io(doing: &str, fault: &io::Error) -> Self {
        match fault.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull { detail: format!("{doing}: {fault}") }
            }
            io::ErrorKind::UnexpectedEof => Self::corrupt(doing, "file is shorter than it was written"),
            _ => Self::Io { detail: format!("{doing}: {fault}") },
        }
    }

    /// Translates a fault of the tree engine.
    pub(crate) fn tree(table: &str, fault: &lsm_tree::Error) -> Self {
        match fault {
            lsm_tree::Error::Io(e) if e.kind() == io::ErrorKind::NotFound => {
                Self::corrupt(format!("table {table}"), "a file is missing")
            }
            lsm_tree::Error::Io(e)
                if matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) =>
            {
                Self::corrupt(format!("table {table}"), e.to_string())
            }
            lsm_tree::Error::Io(e) => Self::io(&format!("table {table}"), e),
            other => Self::corrupt(format!("table {table}"), format!("{other:?}")),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path } => write!(f, "{path} is in use by another process"),
            Self::Corrupt { place, detail } => {
                write!(
                    f,
                    "data on disk is damaged at {place}: {detail}; nothing was overwritten, restore a copy or resynchronise"
                )
            }
            Self::DiskFull { detail } => write!(f, "disk full ({detail}); free space and restart"),
            Self::WrongNetwork { expected, found } => {
                write!(f, "the folder belongs to network {found}, asked for {expected}")
            }
            Self::WrongFormat { expected, found } => {
                write!(
                    f,
                    "the folder has store format {found}, this build reads {expected}: write its blocks out with the build that made it (trex export) and import them into a new folder, or begin anew (trex devnet --fresh)"
                )
            }
            Self::Io { detail } => write!(f, "{detail}"),
            Self::Pruned { block, earliest } => {
                write!(f, "state of block {block} is pruned, the earliest kept is {earliest}")
            }
            Self::UnknownBlock { block } => write!(f, "block {block} is not known"),
            Self::Misuse { detail } => write!(f, "store misused: {detail}"),
        }
    }
}

impl std::error::Error for StoreError {}
