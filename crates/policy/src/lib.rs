//! Verification policies: who must have signed, which attestations there must be, and what must hold in them. Pure.
