//! The `x509` verifiers of a v1 log: PEM of a public key, a certificate or a chain (spec A.10).

use crate::kinds::error::EntryError;
use crate::limits;
use pki::cert::Certificate;
use pki::key::PublicKey;

/// A verifier as submitted, with its canonical text.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    key: PublicKey,
    pem: String,
}

impl Verifier {
    /// Parses PEM text: one `PUBLIC KEY`, one `CERTIFICATE`, or a chain of certificates, leaf
    /// first, at most ten. A chain is checked from leaf to last; a single certificate is not.
    pub(crate) fn parse(pem: &[u8]) -> Result<Self, EntryError> {
        check_length("public key", pem.len(), limits::VERIFIER_PEM)?;
        let text = std::str::from_utf8(pem)
            .map_err(|_| EntryError::NotPem)?
            .trim();
        let first = Block::find(text).ok_or(EntryError::NotPem)?;
        // Rekor reads a chain as soon as anything follows the first block.
        if !first.rest.is_empty() {
            return Self::parse_chain(text);
        }
        match first.label {
            "PUBLIC KEY" => PublicKey::parse_pem(first.text)
                .map(Self::of_key)
                .map_err(EntryError::Key),
            "CERTIFICATE" => parse_certificate(first.text).map(|cert| Self::of_chain(&[cert])),
            other => Err(EntryError::PemType(crate::echo(other))),
        }
    }

    /// The key that signatures are checked with.
    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The canonical PEM text: re-encoded, 64 columns, LF, in the order submitted.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    fn of_key(key: PublicKey) -> Self {
        Self {
            pem: key.to_pem(),
            key,
        }
    }

    fn of_chain(certs: &[Certificate]) -> Self {
        Self {
            key: certs[0].public_key().clone(),
            pem: certs.iter().map(Certificate::to_pem).collect(),
        }
    }

    fn parse_chain(text: &str) -> Result<Self, EntryError> {
        let mut certs = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if certs.len() == limits::CHAIN {
                return Err(EntryError::TooMany {
                    what: "certificates",
                    max: limits::CHAIN,
                });
            }
            let block = Block::find(rest).ok_or(EntryError::NotPem)?;
            if block.label != "CERTIFICATE" {
                return Err(EntryError::PemType(crate::echo(block.label)));
            }
            certs.push(parse_certificate(block.text)?);
            rest = block.rest;
        }
        check_chain(&certs)?;
        Ok(Self::of_chain(&certs))
    }
}

fn parse_certificate(pem: &str) -> Result<Certificate, EntryError> {
    Certificate::parse_pem(pem).map_err(EntryError::Certificate)
}

pub(crate) fn check_length(what: &'static str, have: usize, max: usize) -> Result<(), EntryError> {
    if have > max {
        Err(EntryError::TooLong { what, have, max })
    } else {
        Ok(())
    }
}

/// Checks that a path leads from the first certificate to the last, all valid when the first
/// became valid. The last is taken as it is: a log has no trust anchors.
fn check_chain(certs: &[Certificate]) -> Result<(), EntryError> {
    let Some((root, others)) = certs.split_last() else {
        return Ok(());
    };
    let Some((leaf, intermediates)) = others.split_first() else {
        return Ok(());
    };
    let at = leaf.not_before();
    let issues = |issuer: &Certificate, cert: &Certificate| {
        issuer.is_ca()
            && issuer.not_before() <= at
            && at <= issuer.not_after()
            && issuer.subject_der() == cert.issuer_der()
            && cert.verify_signed_by(issuer).is_ok()
    };
    let mut unused: Vec<&Certificate> = intermediates.iter().collect();
    let mut current = leaf;
    // Each round uses up an intermediate: at most ten rounds of at most ten signature checks.
    while !issues(root, current) {
        let next = unused.iter().position(|cert| issues(cert, current));
        let depth = intermediates.len() - unused.len();
        current = unused.remove(next.ok_or(EntryError::Chain(depth))?);
    }
    Ok(())
}

/// The first PEM block of a text.
struct Block<'a> {
    label: &'a str,
    text: &'a str,
    /// What follows the block, without the white space around it.
    rest: &'a str,
}

impl<'a> Block<'a> {
    /// Finds the first block, as Go's `pem.Decode`: text before it is skipped.
    fn find(text: &'a str) -> Option<Self> {
        const BEGIN: &str = "-----BEGIN ";
        let start = text
            .match_indices(BEGIN)
            .map(|(at, _)| at)
            .find(|&at| at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n'))?;
        let (label, body) = text[start + BEGIN.len()..].split_once("-----")?;
        if label.contains('\n') {
            return None;
        }
        let end = format!("-----END {label}-----");
        let (_, rest) = body.split_once(&end)?;
        let block = &text[start..text.len() - rest.len()];
        Some(Self {
            label,
            text: block,
            rest: rest.trim(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(name: &str) -> Option<String> {
        let path = testkit::vectors("rekor")?.join(name);
        Some(std::fs::read_to_string(path).unwrap())
    }

    #[test]
    fn a_key_comes_out_canonical_however_it_went_in() {
        let Some(pem) = vector("client-algos/ec_public.pem") else {
            return;
        };
        let crlf = pem.replace('\n', "\r\n");
        let body: String = pem.lines().filter(|l| !l.starts_with('-')).collect();
        let one_line = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----");
        for form in [pem.clone(), crlf, one_line, format!("\n  {pem}\n\n")] {
            assert_eq!(Verifier::parse(form.as_bytes()).unwrap().pem(), pem);
        }
    }

    #[test]
    fn a_certificate_stays_a_certificate() {
        let Some(pem) = vector("test_x509_public_key.pem") else {
            return;
        };
        if !pem.contains("CERTIFICATE") {
            return;
        }
        assert_eq!(
            Verifier::parse(pem.as_bytes()).unwrap().pem().trim(),
            pem.trim()
        );
    }

    #[test]
    fn two_public_keys_are_not_a_verifier() {
        let Some(pem) = vector("client-algos/ec_public.pem") else {
            return;
        };
        let error = Verifier::parse(format!("{pem}{pem}").as_bytes()).unwrap_err();
        assert_eq!(error, EntryError::PemType("PUBLIC KEY".into()));
        assert_eq!(
            Verifier::parse(format!("{pem}garbage").as_bytes()).unwrap_err(),
            error
        );
    }

    #[test]
    fn other_pem_and_no_pem_are_refused() {
        assert_eq!(Verifier::parse(b"hello").unwrap_err(), EntryError::NotPem);
        assert_eq!(
            Verifier::parse(&[0xff, 0xfe]).unwrap_err(),
            EntryError::NotPem
        );
        let private = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
        assert_eq!(
            Verifier::parse(private).unwrap_err(),
            EntryError::PemType("PRIVATE KEY".into())
        );
        let unended = b"-----BEGIN PUBLIC KEY-----\nAAAA\n";
        assert_eq!(Verifier::parse(unended).unwrap_err(), EntryError::NotPem);
    }

    #[test]
    fn a_verifier_has_a_bound() {
        let long = vec![b'\n'; limits::VERIFIER_PEM + 1];
        assert!(matches!(
            Verifier::parse(&long),
            Err(EntryError::TooLong { .. })
        ));
    }
}
