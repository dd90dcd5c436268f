//! Reads the conformance bundles; the rules stand in the vectors' README.

use formats::bundle::Bundle;
use formats::trust::TrustedRoot;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use time::OffsetDateTime;
use time::macros::datetime;
use verifier::{Artifact, Match, Policy, Report, Signer, TrustMaterial};

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// After every bundle of the suite was made.
pub(crate) const NOW: OffsetDateTime = datetime!(2027-01-01 00:00 UTC);

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bundle: Vec<u8>,
    pub(crate) artifact: Vec<u8>,
    pub(crate) root: Vec<u8>,
    pub(crate) identity: String,
    pub(crate) issuer: String,
    pub(crate) key: Option<String>,
}

/// All cases, sorted by name; none when the vectors are absent.
pub(crate) fn all() -> Vec<Case> {
    static ALL: OnceLock<Vec<Case>> = OnceLock::new();
    ALL.get_or_init(read_all).clone()
}

fn read_all() -> Vec<Case> {
    let (Some(folder), Some(trust)) = (testkit::vectors("conformance"), testkit::vectors("trust"))
    else {
        return Vec::new();
    };
    let entries = fs::read_dir(&folder).expect("the folder is readable");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut folders: Vec<_> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
        .iter()
        .map(|case| read(case, &folder, &trust))
        .collect()
}

/// The cases that must be accepted.
pub(crate) fn good() -> Vec<Case> {
    all().into_iter().filter(Case::is_good).collect()
}

/// One case by name; `None` when the vectors are absent.
pub(crate) fn named(name: &str) -> Option<Case> {
    let cases = all();
    let absent = cases.is_empty();
    let found = cases.into_iter().find(|case| case.name == name);
    assert!(absent || found.is_some(), "no case {name}");
    found
}

fn read(case: &Path, folder: &Path, trust: &Path) -> Case {
    let own = |name: &str| fs::read(case.join(name)).ok();
    let own_text = |name: &str| {
        own(name).map(|bytes| String::from_utf8(bytes).expect("text").trim().to_owned())
    };
    Case {
        name: case
            .file_name()
            .expect("has a name")
            .to_string_lossy()
            .into_owned(),
        bundle: own("bundle.sigstore.json").expect("a bundle"),
        artifact: own("artifact").unwrap_or_else(|| fs::read(folder.join("a.txt")).expect("a.txt")),
        root: own("trusted_root.json")
            .unwrap_or_else(|| fs::read(trust.join("trusted_root.json")).expect("a root")),
        identity: own_text("identity").unwrap_or_else(|| IDENTITY.into()),
        issuer: own_text("issuer").unwrap_or_else(|| ISSUER.into()),
        key: own_text("key.pub"),
    }
}

impl Case {
    pub(crate) fn is_good(&self) -> bool {
        !self.name.ends_with("_fail")
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy::new(match &self.key {
            Some(pem) => Signer::Key(pem.clone()),
            None => Signer::Identity {
                identity: Match::Exact(self.identity.clone()),
                issuer: Match::Exact(self.issuer.clone()),
            },
        })
    }

    /// The artifact as its SHA-256 digest alone.
    pub(crate) fn digest(&self) -> Artifact<'static> {
        use sha2::Digest;
        Artifact::Digests {
            sha256: sha2::Sha256::digest(&self.artifact).into(),
            sha384: None,
            sha512: None,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bundle).expect("a good bundle is JSON")
    }

    pub(crate) fn root(&self) -> TrustedRoot {
        TrustedRoot::parse(&self.root).expect("a good root")
    }

    pub(crate) fn trust(&self) -> TrustMaterial {
        TrustMaterial::new(&self.root()).expect("a good root")
    }

    /// The report on the bundle as it stands, artifact by bytes.
    pub(crate) fn report(&self) -> Report {
        self.report_with(&self.policy())
    }

    pub(crate) fn report_with(&self, policy: &Policy) -> Report {
        let bundle = Bundle::parse(&self.bundle).expect("a good bundle");
        verifier::verify(
            &bundle,
            &Artifact::Bytes(&self.artifact),
            &self.trust(),
            policy,
            NOW,
        )
    }

    /// The whole way from files to verdict; `Err` says where it was refused.
    pub(crate) fn verdict(&self, artifact: &Artifact<'_>) -> Result<(), String> {
        let root = TrustedRoot::parse(&self.root).map_err(|error| error.to_string())?;
        let trust = TrustMaterial::new(&root).map_err(|error| error.to_string())?;
        let bundle = Bundle::parse(&self.bundle).map_err(|error| error.to_string())?;
        let report = verifier::verify(&bundle, artifact, &trust, &self.policy(), NOW);
        if report.verified {
            Ok(())
        } else {
            Err(report.to_text(false))
        }
    }
}

/// The report on an altered bundle; `None` when it is refused before the engine.
pub(crate) fn report_on(json: &Value, case: &Case, trust: &TrustMaterial) -> Option<Report> {
    let bundle = Bundle::parse(json.to_string().as_bytes()).ok()?;
    Some(verifier::verify(
        &bundle,
        &Artifact::Bytes(&case.artifact),
        trust,
        &case.policy(),
        NOW,
    ))
}
