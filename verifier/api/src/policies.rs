//! The policies of a verifier: read once from a folder, or brought by a request.

use crate::canonical::canonical_policy;
use crate::error::{ApiError, quoted};
use crate::vsa::digest;
use crate::wire::{PolicyEntry, UsedPolicy};
use policy::{Document, PolicyError};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of one file that are read: the policy's own limit is lower, and says so.
const FILE_BYTES: u64 = 1 << 20;
/// Policies of one verifier; each is compiled at start.
const POLICIES: usize = 1000;
/// The endings of files that are policies.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Why a folder of policies was refused: everything at once.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    /// The folder cannot be read.
    #[error("cannot read the policies in {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// More policies than a verifier takes.
    #[error("{} has {have} policies: at most {POLICIES}", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// Policies found.
        have: usize,
    },
    /// Some files are no policies, or two have one name.
    #[error("{} problem(s):{}", .0.len(), listed(.0))]
    Problems(Vec<String>),
}

fn listed(problems: &[String]) -> String {
    problems.iter().map(|one| format!("\n  {one}")).collect()
}

/// Policies by name.
#[derive(Clone, Debug, Default)]
pub struct Policies(Arc<BTreeMap<String, Arc<Named>>>);

/// A policy that can be asked by.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) document: Document,
    /// The document as JSON, with its members in a fixed order.
    pub(crate) canonical: Vec<u8>,
    /// Whether the same bundles are judged alike at any time: no window that moves with the clock.
    pub(crate) is_timeless: bool,
}

impl Policies {
    /// Reads every `.yaml`, `.yml` and `.json` file of a folder; the name is the one in the document.
    ///
    /// # Errors
    /// When the folder cannot be read, or with everything that is wrong with any of its files.
    pub fn load(folder: &Path) -> Result<Self, PoliciesError> {
        let files = files_of(folder).map_err(|source| PoliciesError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        if files.len() > POLICIES {
            return Err(PoliciesError::TooMany {
                path: folder.to_owned(),
                have: files.len(),
            });
        }
        let (mut policies, mut problems) = (BTreeMap::new(), Vec::new());
        let mut places: BTreeMap<String, PathBuf> = BTreeMap::new();
        for file in files {
            match load(&file) {
                Ok(named) => {
                    let name = named.document.name().to_owned();
                    if let Some(other) = places.insert(name.clone(), file.clone()) {
                        let (file, other) = (file.display(), other.display());
                        problems.push(format!("{file} and {other} are both named {name}"));
                    }
                    policies.insert(name, Arc::new(named));
                }
                Err(problem) => problems.push(format!("{}: {problem}", file.display())),
            }
        }
        match problems.is_empty() {
            true => Ok(Self(Arc::new(policies))),
            false => Err(PoliciesError::Problems(problems)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The policy of that name, for a request.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<Named>, ApiError> {
        self.0.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(String::as_str).take(20).collect();
            let message = format!("there is no policy {}", quoted(name));
            let cure = match known.is_empty() {
                true => "this verifier has none: send policyDocument, identity or key".to_owned(),
                false => format!("see /api/v1/policies; there are: {}", known.join(", ")),
            };
            ApiError::unreadable("policy", message, cure)
        })
    }

    pub(crate) fn list(&self) -> Vec<PolicyEntry> {
        let entry = |named: &Arc<Named>| {
            let UsedPolicy { name, digest } = named.used();
            let text = String::from_utf8(named.canonical.clone()).ok()?;
            Some(PolicyEntry {
                name,
                description: named.document.description().to_owned(),
                digest,
                roots: named.document.roots().to_vec(),
                document: RawValue::from_string(text).ok()?,
            })
        };
        self.0.values().filter_map(entry).collect()
    }
}

impl Named {
    fn new(document: Document) -> Result<Self, String> {
        let value = serde_json::to_value(&document).map_err(|error| error.to_string())?;
        Ok(Self {
            is_timeless: value
                .pointer("/signed/maxAge")
                .is_none_or(|age| age.is_null()),
            canonical: canonical_policy(&document).map_err(|error| error.to_string())?,
            document,
        })
    }

    /// A policy that a request brings: a JSON object, or YAML as text.
    pub(crate) fn inline(json: &RawValue) -> Result<Self, ApiError> {
        const FIELD: &str = "policyDocument";
        let document = parse_document(FIELD, json)?;
        // How much memory a Rego module takes is its author's choice.
        if document.has_rego() {
            return Err(ApiError::new(
                http::StatusCode::FORBIDDEN,
                "not-allowed",
                "a policy of a request may not carry Rego",
                "write the rule in CEL, or have the operator add the policy to the verifier's folder",
            )
            .at(FIELD));
        }
        Self::new(document).map_err(|_| ApiError::internal())
    }

    pub(crate) fn used(&self) -> UsedPolicy {
        UsedPolicy {
            name: self.document.name().to_owned(),
            digest: format!("sha256:{}", hex::encode(digest(&self.canonical))),
        }
    }
}

/// Reads a document that is a JSON object, or YAML as text.
pub(crate) fn parse_text(json: &RawValue) -> Result<Document, PolicyError> {
    match serde_json::from_str::<String>(json.get()) {
        Ok(yaml) => Document::parse(yaml.as_bytes()),
        Err(_) => Document::parse(json.get().as_bytes()),
    }
}

/// The same at a field of a request: what is wrong is told there.
fn parse_document(field: &str, json: &RawValue) -> Result<Document, ApiError> {
    parse_text(json).map_err(|error| match error.problems() {
        [] => ApiError::unreadable(
            field,
            quoted(&error.to_string()),
            "give a policy as a JSON object, or its YAML as text",
        ),
        [first, ..] => {
            let field = match first.path.as_str() {
                "" => field.to_owned(),
                path => format!("{field}.{}", quoted(path)),
            };
            let more = error.problems().len() - 1;
            let message = match more {
                0 => quoted(&first.cause),
                _ => format!(
                    "{} (and {more} more: see /api/v1/policies/check)",
                    quoted(&first.cause)
                ),
            };
            ApiError::unreadable(field, message, first.cure.clone())
        }
    })
}

fn files_of(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        if ENDINGS.contains(&ending) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn load(file: &Path) -> Result<Named, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(FILE_BYTES).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    let document = Document::parse(&bytes).map_err(|error| error.to_string())?;
    Named::new(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "apiVersion: sigstead.dev/policy/v1\nname: release\nsignatures:\n  identities:\n    \
                           - identity: a@example.com\n      issuer: https://issuer.example.com\n";

    #[test]
    fn a_folder_is_read_by_the_names_in_its_documents() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x.yaml"), RELEASE).unwrap();
        std::fs::write(folder.path().join("README.md"), "no policy").unwrap();
        let policies = Policies::load(folder.path()).unwrap();
        assert_eq!(policies.len(), 1);
        assert!(policies.named("release").is_ok());
        let error = policies.named("x").unwrap_err();
        assert!(error.body.cure.contains("release"), "{error:?}");
        assert_eq!(policies.list()[0].name, "release");
    }

    #[test]
    fn all_that_is_wrong_in_a_folder_is_told_together() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a.yaml", RELEASE),
            ("b.yml", RELEASE),
            ("c.json", "{"),
            ("d.yaml", "name: 1"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let text = Policies::load(folder.path()).unwrap_err().to_string();
        for want in ["3 problem(s)", "c.json", "d.yaml", "both named release"] {
            assert!(text.contains(want), "{want} is not in {text}");
        }
    }

    #[test]
    fn a_window_that_moves_with_the_clock_is_noticed() {
        let moving = format!("{RELEASE}signed:\n  maxAge: 1d\n");
        let named = |text: &str| Named::new(Document::parse(text.as_bytes()).unwrap()).unwrap();
        assert!(named(RELEASE).is_timeless);
        assert!(!named(&moving).is_timeless);
    }
}
