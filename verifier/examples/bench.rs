//! Measures the engine on one bundle, in turns with another implementation and with the bare signature checks; prints a
//! line of JSON for each round, in microseconds: `cargo xtask bench verify` runs it.
//!
//! `bench ROUNDS TRUSTED_ROOT BUNDLE ARTIFACT IDENTITY ISSUER`

use serde_json::json;
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use verifier::{Artifact, Match, Policy, Signer, TrustMaterial};

/// How long one measurement goes on.
const SPAN: Duration = Duration::from_millis(150);

type Failed = Box<dyn Error>;

fn main() -> Result<(), Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [rounds, root, bundle, artifact, identity, issuer] = args.as_slice() else {
        return Err("usage: bench ROUNDS TRUSTED_ROOT BUNDLE ARTIFACT IDENTITY ISSUER".into());
    };
    let case = Case {
        root: std::fs::read(root)?,
        bundle: std::fs::read(bundle)?,
        artifact: std::fs::read(artifact)?,
        identity: identity.clone(),
        issuer: issuer.clone(),
    };
    for _ in 0..rounds.parse::<usize>()? {
        let line = case.round()?.to_string();
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(())
}

struct Case {
    root: Vec<u8>,
    bundle: Vec<u8>,
    artifact: Vec<u8>,
    identity: String,
    issuer: String,
}

impl Case {
    fn round(&self) -> Result<serde_json::Value, Failed> {
        let trust = self.trust()?;
        let (policy, now) = (self.policy(), OffsetDateTime::now_utc());
        let bundle = formats::bundle::Bundle::parse(&self.bundle)?;
        let artifact = Artifact::Bytes(&self.artifact);
        if !verifier::verify(&bundle, &artifact, &trust, &policy, now).verified {
            return Err("the bundle does not verify".into());
        }
        let ours = || verifier::verify(&bundle, &artifact, &trust, &policy, now).verified;
        let from_bytes = || {
            let bundle = formats::bundle::Bundle::parse(&self.bundle);
            bundle.is_ok_and(|bundle| {
                verifier::verify(&bundle, &artifact, &trust, &policy, now).verified
            })
        };
        let cold = || {
            let (trust, bundle) = (self.trust(), formats::bundle::Bundle::parse(&self.bundle));
            match (trust, bundle) {
                (Ok(trust), Ok(bundle)) => {
                    verifier::verify(&bundle, &artifact, &trust, &policy, now).verified
                }
                _ => false,
            }
        };
        let other = Other::new(self)?;
        let checks = Checks::new(&bundle, &self.root, &self.artifact)?;
        Ok(json!({
            "checks": micros(|| checks.run()),
            "ours": micros(ours),
            "theirs": micros(|| other.verify(self)),
            "ours_from_bytes": micros(from_bytes),
            "theirs_from_bytes": micros(|| other.verify_bytes(self)),
            "ours_cold": micros(cold),
            "theirs_cold": micros(|| Other::new(self).is_ok_and(|other| other.verify_bytes(self))),
            "ours_two_threads": two_threads(&ours),
        }))
    }

    fn trust(&self) -> Result<TrustMaterial, Failed> {
        let root = formats::trust::TrustedRoot::parse(&self.root)?;
        Ok(TrustMaterial::new(&root)?)
    }

    fn policy(&self) -> Policy {
        Policy::new(Signer::Identity {
            identity: Match::Exact(self.identity.clone()),
            issuer: Match::Exact(self.issuer.clone()),
        })
    }
}

/// The other implementation, with its trusted root parsed.
struct Other {
    verifier: sigstore_verify::Verifier,
    bundle: sigstore_types::Bundle,
    policy: sigstore_verify::VerificationPolicy,
}

impl Other {
    fn new(case: &Case) -> Result<Self, Failed> {
        let root = sigstore_trust_root::TrustedRoot::from_json(std::str::from_utf8(&case.root)?)?;
        let text = std::str::from_utf8(&case.bundle)?;
        Ok(Self {
            verifier: sigstore_verify::Verifier::new(&root)?,
            bundle: sigstore_types::Bundle::from_json(text)?,
            policy: sigstore_verify::VerificationPolicy::new(
                case.identity.as_str(),
                case.issuer.as_str(),
            ),
        })
    }

    fn verify(&self, case: &Case) -> bool {
        let artifact = case.artifact.as_slice();
        self.verifier
            .verify(artifact, &self.bundle, &self.policy)
            .is_ok()
    }

    fn verify_bytes(&self, case: &Case) -> bool {
        let text = std::str::from_utf8(&case.bundle).ok();
        let bundle = text.and_then(|text| sigstore_types::Bundle::from_json(text).ok());
        bundle.is_some_and(|bundle| {
            let artifact = case.artifact.as_slice();
            self.verifier
                .verify(artifact, &bundle, &self.policy)
                .is_ok()
        })
    }
}

/// The signature checks that a verification cannot do without, and nothing else.
struct Checks {
    leaf: pki::cert::Certificate,
    ca: pki::cert::Certificate,
    message: Vec<u8>,
    signature: Vec<u8>,
    /// Checks by keys of the leaf's kind: the artifact's comes on top. SCT, SET, checkpoint, P-256 tokens.
    small: usize,
    /// Checks by keys of the CA's kind: tokens of an authority with such a key.
    large: usize,
}

impl Checks {
    fn new(bundle: &formats::bundle::Bundle, root: &[u8], artifact: &[u8]) -> Result<Self, Failed> {
        let material = &bundle.verification_material;
        let leaf = material
            .certificate
            .as_ref()
            .ok_or("the bundle has no certificate")?;
        let leaf = pki::cert::Certificate::parse_der(&leaf.raw_bytes.0)?;
        let root = formats::trust::TrustedRoot::parse(root)?;
        let first = |authority: &formats::trust::CertificateAuthority| {
            let raw = &authority.cert_chain.certificates.first()?.raw_bytes.0;
            pki::cert::Certificate::parse_der(raw).ok()
        };
        let mut cas = root.certificate_authorities.iter().filter_map(first);
        let ca = cas.find(|ca| ca.subject_der() == leaf.issuer_der());
        let ca = ca.ok_or("the issuing CA is not in the trusted root")?;
        let tsa = root.timestamp_authorities.first().and_then(first);
        let tsa = tsa.ok_or("the trusted root has no timestamp authority")?;
        let tokens = material
            .timestamp_verification_data
            .as_ref()
            .map_or(0, |data| data.rfc3161_timestamps.len());
        let large = usize::from(tsa.public_key().kind() != leaf.public_key().kind()) * tokens;
        let entries = &material.tlog_entries;
        let promises = entries.iter().filter(|e| e.inclusion_promise.is_some());
        let proofs = entries.iter().filter(|e| e.inclusion_proof.is_some());
        let (message, signature) = signed(bundle, artifact)?;
        Ok(Self {
            small: 1 + promises.count() + proofs.count() + tokens - large,
            large,
            leaf,
            ca,
            message,
            signature,
        })
    }

    fn run(&self) -> bool {
        let key = self.leaf.public_key();
        // The content: a large payload has to be hashed once.
        let content = key.verify(key.default_scheme(), &self.message, &self.signature);
        let mut good = content.is_ok() && self.leaf.verify_signed_by(&self.ca).is_ok();
        let digest = [7; 32];
        for _ in 0..self.small {
            // Does not hold, and costs the same.
            let check = key.verify_digest(key.default_scheme(), &digest, &self.signature);
            good &= black_box(check).is_err();
        }
        for _ in 0..self.large {
            good &= self.leaf.verify_signed_by(&self.ca).is_ok();
        }
        good
    }
}

/// What was signed: the artifact, or the DSSE pre-authentication encoding.
fn signed(bundle: &formats::bundle::Bundle, artifact: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Failed> {
    use formats::bundle::Content;
    Ok(match &bundle.content {
        Content::Message(message) => (artifact.to_vec(), message.signature.0.clone()),
        Content::Dsse(envelope) => {
            let signature = envelope.signatures.first().ok_or("no signature")?;
            let (kind, payload) = (&envelope.payload_type, &envelope.payload.0);
            let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
            ([head.as_bytes(), payload].concat(), signature.sig.0.clone())
        }
    })
}

/// Microseconds of one call, over many.
fn micros(call: impl Fn() -> bool) -> f64 {
    let start = Instant::now();
    let mut calls = 0.0;
    while start.elapsed() < SPAN {
        assert!(black_box(call()), "a measured verification did not hold");
        calls += 1.0;
    }
    start.elapsed().as_secs_f64() * 1e6 / calls
}

/// Microseconds between two verdicts, with two threads at work.
fn two_threads(call: &(impl Fn() -> bool + Sync)) -> f64 {
    std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| micros(call)));
        let rates = threads.map(|thread| thread.join().map_or(0.0, |micros| 1.0 / micros));
        1.0 / rates.iter().sum::<f64>()
    })
}
