//! From what is written to what is evaluated; everything that cannot work is found here.

use super::names::{certificate_field, nearest};
use super::raw::{
    API_VERSION, RawAttestation, RawDocument, RawIdentity, RawMatch, RawPattern, RawThreshold,
};
use super::{Attestation, Document, Signers, Thresholds, Window};
use crate::error::{PolicyError, Problems, item, member};
use crate::limits;
use crate::rules::Rules;
use pki::extensions::FulcioExtensions;
use pki::key::PublicKey;
use verifier::{Failure, IdentityRule, Match, Pattern};

impl Document {
    pub(crate) fn compile(raw: RawDocument) -> Result<Self, PolicyError> {
        let mut compiler = Compiler::default();
        compiler.header(&raw);
        let signatures = raw.signatures.as_ref().map(|raw| {
            let threshold = compiler.signers_threshold("signatures", raw.threshold);
            compiler.signers("signatures", &raw.identities, &raw.keys, threshold)
        });
        let attestations = compiler.attestations(&raw.attestations, signatures.as_ref());
        let thresholds = Thresholds {
            logs: compiler.threshold("log", raw.log.as_ref()),
            timestamps: compiler.threshold("timestamps", raw.timestamps.as_ref()),
            scts: compiler.threshold("sct", raw.sct.as_ref()),
        };
        let window = Window::compile(raw.signed.as_ref(), &mut compiler.problems);
        if raw.signatures.is_none() && raw.attestations.is_empty() {
            compiler.problems.add(
                "",
                "asks for nothing",
                "add `signatures` with identities or keys, or `attestations`",
            );
        }
        compiler.problems.none()?;
        Ok(Self {
            raw,
            signatures,
            attestations,
            thresholds,
            window,
        })
    }
}

#[derive(Default)]
struct Compiler {
    problems: Problems,
    /// Spent so far: compiling patterns is the costly part of reading a document.
    globs: usize,
    regexps: usize,
    too_many: bool,
}

impl Compiler {
    fn header(&mut self, raw: &RawDocument) {
        if raw.api_version != API_VERSION {
            self.problems.add(
                "apiVersion",
                "is not a version that is read",
                format!("write {API_VERSION}"),
            );
        }
        if raw.name.trim().is_empty() {
            self.problems.add(
                "name",
                "is empty",
                "give the policy a name; reports show it",
            );
        }
        self.at_most("roots", raw.roots.len(), limits::ROOTS);
        for (position, root) in raw.roots.iter().enumerate() {
            if root.trim().is_empty() {
                self.problems.add(
                    item("roots", position),
                    "is empty",
                    "write the name of a trusted root, or leave it out",
                );
            }
        }
    }

    fn attestations(
        &mut self,
        raw: &[RawAttestation],
        signatures: Option<&Signers>,
    ) -> Vec<Attestation> {
        self.at_most("attestations", raw.len(), limits::ATTESTATIONS);
        raw.iter()
            .take(limits::ATTESTATIONS)
            .enumerate()
            .filter_map(|(position, raw)| {
                self.attestation(&item("attestations", position), raw, signatures)
            })
            .collect()
    }

    fn attestation(
        &mut self,
        path: &str,
        raw: &RawAttestation,
        signatures: Option<&Signers>,
    ) -> Option<Attestation> {
        let threshold = self.signers_threshold(path, raw.threshold);
        let signers = match signatures {
            Some(signatures) if raw.identities.is_empty() && raw.keys.is_empty() => Signers {
                threshold,
                ..signatures.clone()
            },
            _ => self.signers(path, &raw.identities, &raw.keys, threshold),
        };
        let predicate_type = self.compiled(&member(path, "predicateType"), &raw.predicate_type);
        let rules = Rules::compile(path, &raw.cel, raw.rego.as_deref(), &mut self.problems);
        Some(Attestation {
            predicate_type: predicate_type?,
            signers,
            rules,
        })
    }

    fn signers(
        &mut self,
        path: &str,
        identities: &[RawIdentity],
        keys: &[String],
        threshold: usize,
    ) -> Signers {
        if identities.is_empty() && keys.is_empty() {
            self.problems.add(
                path,
                "names nobody",
                "add `identities` or `keys`: who must have signed",
            );
        }
        let list = member(path, "identities");
        self.at_most(&list, identities.len(), limits::IDENTITIES);
        let identities = identities
            .iter()
            .take(limits::IDENTITIES)
            .enumerate()
            .filter_map(|(position, raw)| self.identity(&item(&list, position), raw))
            .collect();
        let list = member(path, "keys");
        self.at_most(&list, keys.len(), limits::KEYS);
        for (position, pem) in keys.iter().take(limits::KEYS).enumerate() {
            if let Err(error) = PublicKey::parse_pem(pem) {
                self.problems.add(
                    item(&list, position),
                    format!("is not a public key: {error}"),
                    "paste a PEM block that begins with -----BEGIN PUBLIC KEY-----",
                );
            }
        }
        Signers {
            identities,
            keys: keys.to_vec(),
            threshold,
        }
    }

    fn identity(&mut self, path: &str, raw: &RawIdentity) -> Option<IdentityRule> {
        let identity = self.compiled(&member(path, "identity"), &raw.identity);
        let issuer = self.compiled(&member(path, "issuer"), &raw.issuer);
        let mut fields: Vec<(String, Pattern)> = Vec::new();
        let mut whole = true;
        for (written, want) in &raw.certificate {
            let path = member(&member(path, "certificate"), written);
            let want = self.compiled(&path, want);
            let Some(name) = certificate_field(written) else {
                self.unknown_field(&path, written);
                whole = false;
                continue;
            };
            if fields.iter().any(|(known, _)| known == name) {
                self.problems.add(
                    path,
                    "stands there in both spellings",
                    format!("keep `{name}`"),
                );
            }
            match want {
                Some(want) => fields.push((name.to_owned(), want)),
                None => whole = false,
            }
        }
        match IdentityRule::compiled(identity?, issuer?, fields) {
            Ok(rule) if whole => Some(rule),
            Ok(_) => None,
            Err(failure) => {
                self.failed(path, &failure);
                None
            }
        }
    }

    fn unknown_field(&mut self, path: &str, written: &str) {
        let cure = match nearest(written, FulcioExtensions::names()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => {
                let names: Vec<&str> = FulcioExtensions::names().collect();
                format!("known fields: {}", names.join(", "))
            }
        };
        self.problems
            .add(path, "certificates have no field of this name", cure);
    }

    /// What is asked for, compiled, if it is affordable.
    fn compiled(&mut self, path: &str, raw: &RawMatch) -> Option<Pattern> {
        let wanted = wanted(raw);
        let text = match &wanted {
            Match::Exact(text) | Match::Glob(text) | Match::Regexp(text) => text,
        };
        if text.is_empty() {
            self.problems
                .add(path, "is empty", "write whom or what you expect");
            return None;
        }
        self.star_in_plain_text(path, raw);
        match wanted {
            Match::Exact(_) => {}
            Match::Glob(_) => self.globs += 1,
            Match::Regexp(_) => self.regexps += 1,
        }
        if self.globs > limits::GLOBS || self.regexps > limits::REGEXPS {
            self.too_many_patterns(path);
            return None;
        }
        match Pattern::new(wanted) {
            Ok(pattern) => Some(pattern),
            Err(failure) => {
                self.failed(path, &failure);
                None
            }
        }
    }

    /// Says so once: every further pattern would say the same.
    fn too_many_patterns(&mut self, path: &str) {
        if !self.too_many {
            self.problems.add(
                path,
                format!(
                    "the document has more than {} globs or {} regular expressions",
                    limits::GLOBS,
                    limits::REGEXPS
                ),
                "write exact values, or several documents",
            );
        }
        self.too_many = true;
    }

    /// `*` is in no name that is meant literally: plain text with one was meant as a glob.
    fn star_in_plain_text(&mut self, path: &str, raw: &RawMatch) {
        if let RawMatch::Plain(text) = raw
            && text.contains('*')
        {
            self.problems.add(
                path,
                "is plain text with a `*`, which would be compared literally",
                "write {glob: \"…\"} (or {exact: \"…\"} if the star is part of the name)",
            );
        }
    }

    fn failed(&mut self, path: &str, failure: &Failure) {
        self.problems.add(path, failure.to_string(), failure.cure());
    }

    fn threshold(&mut self, name: &str, raw: Option<&RawThreshold>) -> usize {
        let count = raw.map_or(1, |raw| raw.threshold);
        self.bounded(&member(name, "threshold"), count)
    }

    fn signers_threshold(&mut self, path: &str, raw: Option<u32>) -> usize {
        let path = member(path, "threshold");
        let count = raw.unwrap_or(1);
        if count == 0 {
            self.problems.add(
                path.as_str(),
                "is 0: anything would do",
                "write 1 or more, or leave the whole requirement out",
            );
        }
        self.bounded(&path, count)
    }

    fn bounded(&mut self, path: &str, count: u32) -> usize {
        if count > limits::THRESHOLD {
            self.problems.add(
                path,
                format!("is {count}: nothing can meet it"),
                format!("write at most {}", limits::THRESHOLD),
            );
        }
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    fn at_most(&mut self, path: &str, have: usize, limit: usize) {
        if have > limit {
            self.problems.add(
                path,
                format!("has {have} members"),
                format!("write at most {limit}, or several documents"),
            );
        }
    }
}

fn wanted(raw: &RawMatch) -> Match {
    match raw {
        RawMatch::Plain(text) | RawMatch::Pattern(RawPattern::Exact(text)) => {
            Match::Exact(text.clone())
        }
        RawMatch::Pattern(RawPattern::Glob(glob)) => Match::Glob(glob.clone()),
        RawMatch::Pattern(RawPattern::Regexp(pattern)) => Match::Regexp(pattern.clone()),
    }
}
