//! Images: which argument means one, how it is reached, and the commands about it.

mod access;
mod judged;
mod report;
pub(crate) mod sign;
pub(crate) mod verify;

pub(crate) use access::access;
pub(crate) use report::say;

use super::token::block_on;
use anyhow::{Result, bail};
use oci::Source;
use std::path::Path;

/// Reads an argument that stands without `--bundle`: an image. A file of that name is most likely meant as a file.
pub(crate) fn source(argument: &str, verb: &str) -> Result<Source> {
    let is_layout = argument.starts_with("oci:") || argument.starts_with("oci-archive:");
    if !is_layout && Path::new(argument).is_file() {
        bail!(
            "without --bundle, {argument} is taken for an image, but it is a file: to {verb} the file, name its bundle with --bundle"
        );
    }
    Ok(Source::parse(argument)?)
}

/// Runs a future about images. Layouts need no runtime: without one not even the runtime's own sockets are opened.
pub(crate) fn run<T>(needs_network: bool, future: impl Future<Output = T>) -> Result<T> {
    if needs_network {
        block_on(future)
    } else {
        Ok(futures::executor::block_on(future))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_bundle_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.tar");
        std::fs::write(&path, "x").unwrap();
        let error = source(path.to_str().unwrap(), "verify").unwrap_err();
        assert!(error.to_string().contains("--bundle"), "{error}");
        assert!(source("127.0.0.1:5000/app:v1", "verify").is_ok());
    }
}
