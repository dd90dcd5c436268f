//! A load generator for the Rekor APIs: requests are made ahead of time, so that a run costs little more than HTTP.

mod client;
mod prepare;
mod run;
mod samples;

pub(crate) use client::{Answer, Call, Client};
pub(crate) use prepare::{Prepared, prepare, stream};
pub(crate) use run::{Load, Outcome, Pace, cpu_at, process_cpu, run, thread_cpu};
pub(crate) use samples::{Samples, nanoseconds};

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Api {
    V1,
    V2,
}

impl Api {
    pub(crate) const BOTH: [Self; 2] = [Self::V1, Self::V2];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    /// Where entries are submitted.
    pub(crate) fn entries(self) -> &'static str {
        match self {
            Self::V1 => "/api/v1/log/entries",
            Self::V2 => "/api/v2/log/entries",
        }
    }

    /// Where the newest checkpoint can be read.
    pub(crate) fn checkpoint(self) -> &'static str {
        match self {
            Self::V1 => "/api/v1/log",
            Self::V2 => "/checkpoint",
        }
    }
}
