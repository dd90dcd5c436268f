//! Trusted roots by name: embedded, from a file, from TUF.
