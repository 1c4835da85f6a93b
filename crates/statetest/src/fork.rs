//! Forks of Ethereum, by the names that state tests use.

use revm::primitives::hardfork::SpecId;

/// A fork whose rules a case can be run by, ascending in time (ST-009).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fork {
    /// July 2015.
    Frontier,
    /// March 2016.
    Homestead,
    /// Tangerine Whistle, EIP-150.
    Eip150,
    /// Spurious Dragon, EIP-158.
    Eip158,
    /// October 2017.
    Byzantium,
    /// Constantinople as first specified, with net gas metering (EIP-1283); never live on mainnet.
    Constantinople,
    /// Petersburg: Constantinople without EIP-1283.
    ConstantinopleFix,
    /// December 2019.
    Istanbul,
    /// April 2021.
    Berlin,
    /// August 2021.
    London,
    /// The merge, September 2022.
    Paris,
    /// April 2023.
    Shanghai,
    /// March 2024.
    Cancun,
    /// May 2025.
    Prague,
    /// December 2025; with it the forks that change only blob parameters.
    Osaka(BlobParameters),
}

/// Which blob parameters are in force at Osaka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlobParameters {
    /// Those of Prague.
    Prague,
    /// First change of blob parameters only.
    Bpo1,
    /// Second change of blob parameters only.
    Bpo2,
    /// Third, not scheduled on mainnet.
    Bpo3,
    /// Fourth, not scheduled on mainnet.
    Bpo4,
    /// Fifth, not scheduled on mainnet.
    Bpo5,
}

/// What a fork says of blobs (EIP-4844, EIP-7691, EIP-7840, EIP-7892).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobSchedule {
    /// Blobs in a block above which the blob base fee rises.
    pub target: u64,
    /// Most blobs in a block.
    pub max: u64,
    /// Divisor of the blob base fee's exponent.
    pub update_fraction: u64,
}

/// Names in use, the one we print for a fork first.
const NAMES: &[(Fork, &[&str])] = &[
    (Fork::Frontier, &["Frontier"]),
    (Fork::Homestead, &["Homestead"]),
    (Fork::Eip150, &["EIP150", "Tangerine", "TangerineWhistle"]),
    (Fork::Eip158, &["EIP158", "EIP155", "SpuriousDragon", "Spurious"]),
    (Fork::Byzantium, &["Byzantium"]),
    (Fork::Constantinople, &["Constantinople"]),
    (Fork::ConstantinopleFix, &["ConstantinopleFix", "Petersburg"]),
    (Fork::Istanbul, &["Istanbul", "MuirGlacier"]),
    (Fork::Berlin, &["Berlin"]),
    (Fork::London, &["London", "ArrowGlacier", "GrayGlacier"]),
    (Fork::Paris, &["Paris", "Merge"]),
    (Fork::Shanghai, &["Shanghai"]),
    (Fork::Cancun, &["Cancun"]),
    (Fork::Prague, &["Prague"]),
    (Fork::Osaka(BlobParameters::Prague), &["Osaka"]),
    (Fork::Osaka(BlobParameters::Bpo1), &["BPO1"]),
    (Fork::Osaka(BlobParameters::Bpo2), &["BPO2"]),
    (Fork::Osaka(BlobParameters::Bpo3), &["BPO3"]),
    (Fork::Osaka(BlobParameters::Bpo4), &["BPO4"]),
    (Fork::Osaka(BlobParameters::Bpo5), &["BPO5"]),
];

impl Fork {
    /// The fork called `name`, letter case aside; `None` for one whose rules are not known here.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(_, names)| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
            .map(|(fork, _)| *fork)
    }

    /// The fork's first name in [`Self::from_name`].
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(fork, _)| *fork == self).map_or("", |(_, names)| names[0])
    }

    /// Every name that [`Self::from_name`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().flat_map(|(_, names)| names.iter().copied())
    }

    /// revm's word for the fork. Constantinople has none: it is Petersburg but for `SSTORE`.
    pub fn spec(self) -> SpecId {
        match self {
            Self::Frontier => SpecId::FRONTIER,
            Self::Homestead => SpecId::HOMESTEAD,
            Self::Eip150 => SpecId::TANGERINE,
            Self::Eip158 => SpecId::SPURIOUS_DRAGON,
            Self::Byzantium => SpecId::BYZANTIUM,
            Self::Constantinople | Self::ConstantinopleFix => SpecId::PETERSBURG,
            Self::Istanbul => SpecId::ISTANBUL,
            Self::Berlin => SpecId::BERLIN,
            Self::London => SpecId::LONDON,
            Self::Paris => SpecId::MERGE,
            Self::Shanghai => SpecId::SHANGHAI,
            Self::Cancun => SpecId::CANCUN,
            Self::Prague => SpecId::PRAGUE,
            Self::Osaka(_) => SpecId::OSAKA,
        }
    }

    /// Blob parameters where a test does not bring its own.
    pub fn blob_schedule(self) -> BlobSchedule {
        let (target, max, update_fraction) = match self {
            Self::Osaka(BlobParameters::Bpo4 | BlobParameters::Bpo5) => (14, 21, 13_739_630),
            Self::Osaka(BlobParameters::Bpo3) => (21, 32, 20_609_697),
            Self::Osaka(BlobParameters::Bpo2) => (14, 21, 11_684_671),
            Self::Osaka(BlobParameters::Bpo1) => (10, 15, 8_346_193),
            Self::Osaka(BlobParameters::Prague) | Self::Prague => (6, 9, 5_007_716),
            _ => (3, 6, 3_338_477),
        };
        BlobSchedule { target, max, update_fraction }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_name_any_alias_finds_the_fork_whose_first_name_it_prints() {
        for name in Fork::names() {
            let fork = Fork::from_name(name).unwrap();
            assert_eq!(Fork::from_name(fork.name()), Some(fork));
            assert_eq!(Fork::from_name(&name.to_lowercase()), Some(fork));
        }
        assert_eq!(Fork::from_name("Amsterdam"), None);
    }

    #[test]
    fn forks_are_ordered_in_time() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
