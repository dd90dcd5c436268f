//! policy-controller's ClusterImagePolicy, as far as it maps.
//!
//! Each authority becomes one [`Document`], and an image is admitted when any of them verifies: that is how
//! policy-controller reads its list. What restricts and cannot be mapped (CUE, keys in a KMS, fetched policies) takes
//! its whole authority with it: half of a policy would let through what the whole would not.

use crate::document::Document;
use crate::document::raw::{
    API_VERSION, RawAttestation, RawDocument, RawIdentity, RawMatch, RawPattern, RawSignatures,
    RawThreshold,
};
use crate::document::tree;
use crate::error::{PolicyError, Problem, item, member};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Something of the source that has no counterpart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmapped {
    /// Where, e.g. `spec.authorities[0].attestations[0].policy`.
    pub path: String,
    /// What becomes of it, in one sentence.
    pub reason: String,
    /// Whether the authority (or all of them) was left out because of it.
    pub left_out: bool,
}

/// Reads one ClusterImagePolicy (v1alpha1 or v1beta1; YAML or JSON).
///
/// Fails when it is none. No document at all means that nothing of it could be mapped.
pub fn read(bytes: &[u8]) -> Result<(Vec<Document>, Vec<Unmapped>), PolicyError> {
    let tree = tree::read(bytes)?;
    let kind = tree.get("kind").and_then(Value::as_str);
    let authorities = tree.pointer("/spec/authorities").and_then(Value::as_array);
    let (Some("ClusterImagePolicy"), Some(authorities)) = (kind, authorities) else {
        return Err(PolicyError::Invalid {
            problems: vec![Problem {
                path: "kind".to_owned(),
                cause: "is not a ClusterImagePolicy with authorities".to_owned(),
                cure: "give the manifest of one ClusterImagePolicy".to_owned(),
            }],
        });
    };
    let mut mapping = Mapping::default();
    mapping.whole(&tree);
    let name = text(&tree, "/metadata/name").unwrap_or("cluster-image-policy");
    let mut documents = Vec::new();
    for (position, authority) in authorities.iter().enumerate() {
        let path = item("spec.authorities", position);
        let own = text(authority, "/name").map_or_else(|| position.to_string(), str::to_owned);
        mapping.drop = mapping.drop_all;
        let raw = mapping.authority(&path, authority, format!("{name}/{own}"));
        if let Some(raw) = raw.filter(|_| !mapping.drop) {
            match Document::compile(raw) {
                Ok(document) => documents.push(document),
                Err(error) => mapping.left_out(&path, &format!("it cannot be mapped: {error}")),
            }
        }
    }
    Ok((documents, mapping.unmapped))
}

#[derive(Default)]
struct Mapping {
    unmapped: Vec<Unmapped>,
    /// Leave out the authority at hand.
    drop: bool,
    drop_all: bool,
}

impl Mapping {
    fn note(&mut self, path: &str, reason: &str) {
        self.unmapped.push(Unmapped {
            path: path.to_owned(),
            reason: reason.to_owned(),
            left_out: false,
        });
    }

    fn left_out(&mut self, path: &str, reason: &str) {
        self.drop = true;
        self.unmapped.push(Unmapped {
            path: path.to_owned(),
            reason: reason.to_owned(),
            left_out: true,
        });
    }

    /// What applies to all authorities.
    fn whole(&mut self, tree: &Value) {
        let spec = tree.get("spec").and_then(Value::as_object);
        for (name, value) in spec.into_iter().flatten() {
            let path = member("spec", name);
            match name.as_str() {
                "authorities" => {}
                "images" => self.note(&path, "which images a policy is for is said where it is used, not in it"),
                "match" => self.note(&path, "selecting resources of a cluster is left to the cluster"),
                "mode" if value == "enforce" => {}
                "mode" => self.note(&path, "a policy always enforces; what a failed one leads to is decided where it is used"),
                "policy" => {
                    self.left_out(&path, "a policy over the outcomes of several authorities cannot be expressed");
                    self.drop_all = true;
                }
                _ => {
                    self.left_out(&path, "it is not known, and may restrict");
                    self.drop_all = true;
                }
            }
        }
    }

    fn authority(&mut self, path: &str, from: &Value, name: String) -> Option<RawDocument> {
        let mut raw = RawDocument {
            api_version: API_VERSION.to_owned(),
            name,
            ..RawDocument::default()
        };
        let mut signers = RawSignatures::default();
        let mut attestations = None;
        for (name, value) in from.as_object()? {
            let path = member(path, name);
            match name.as_str() {
                "name" => {}
                "keyless" => self.keyless(&path, value, &mut signers, &mut raw),
                "key" => self.key(&path, value, &mut signers),
                "attestations" => attestations = value.as_array().map(|list| (path, list)),
                "ctlog" => self.log(&path, value, &mut raw),
                "rfc3161timestamp" => {
                    raw.timestamps = Some(RawThreshold { threshold: 1 });
                    root(value, &mut raw);
                }
                "static" => self.left_out(&path, "a fixed verdict is no verification"),
                "source" | "signatureFormat" => self.note(
                    &path,
                    "where signatures are looked for is said where the policy is used",
                ),
                _ => self.left_out(&path, "it is not known, and may restrict"),
            }
        }
        // Without `ctlog` a key's signatures need no log there; keyless ones do.
        if from.get("keyless").is_none() && from.get("ctlog").is_none() {
            raw.log = Some(RawThreshold { threshold: 0 });
            if from.get("rfc3161timestamp").is_none() {
                raw.timestamps = Some(RawThreshold { threshold: 0 });
            }
        }
        match attestations {
            Some((path, list)) if !list.is_empty() => {
                for (position, one) in list.iter().enumerate() {
                    let path = item(&path, position);
                    raw.attestations
                        .extend(self.attestation(&path, one, &signers));
                }
            }
            _ => raw.signatures = Some(signers),
        }
        Some(raw)
    }

    fn keyless(
        &mut self,
        path: &str,
        from: &Value,
        signers: &mut RawSignatures,
        raw: &mut RawDocument,
    ) {
        for (name, value) in from.as_object().into_iter().flatten() {
            let path = member(path, name);
            match name.as_str() {
                "identities" => {
                    for (position, identity) in value.as_array().into_iter().flatten().enumerate() {
                        let identity = self.identity(&item(&path, position), identity);
                        signers.identities.extend(identity);
                    }
                }
                "url" => self.note(
                    &path,
                    "the certificate authority is that of the trusted root",
                ),
                "trustRootRef" => root(from, raw),
                "insecureIgnoreSCT" if value == true => {
                    raw.sct = Some(RawThreshold { threshold: 0 })
                }
                "insecureIgnoreSCT" => {}
                _ => self.left_out(
                    &path,
                    "put the authority into a trusted root of its own instead",
                ),
            }
        }
        if signers.identities.is_empty() {
            self.left_out(path, "it names no identities: anybody could sign");
        }
    }

    fn identity(&mut self, path: &str, from: &Value) -> Option<RawIdentity> {
        let part = |this: &mut Self, exact: &str, regexp: &str| {
            let of = |name: &str| {
                from.get(name)
                    .and_then(Value::as_str)
                    .filter(|text| !text.is_empty())
            };
            match (of(exact), of(regexp)) {
                (Some(text), _) => Some(RawMatch::Pattern(RawPattern::Exact(text.to_owned()))),
                (None, Some(pattern)) => {
                    let whole = this.anchored(&member(path, regexp), pattern);
                    Some(RawMatch::Pattern(RawPattern::Regexp(whole)))
                }
                (None, None) => {
                    this.left_out(path, &format!("it has neither {exact} nor {regexp}"));
                    None
                }
            }
        };
        let identity = part(self, "subject", "subjectRegExp");
        let issuer = part(self, "issuer", "issuerRegExp");
        Some(RawIdentity {
            identity: identity?,
            issuer: issuer?,
            certificate: BTreeMap::new(),
        })
    }

    /// policy-controller finds a pattern anywhere in the value; ours must match the whole.
    fn anchored(&mut self, path: &str, pattern: &str) -> String {
        let whole = pattern
            .strip_prefix('^')
            .and_then(|rest| rest.strip_suffix('$'))
            // A `|` or an escaped `$` would change its meaning without the anchors.
            .filter(|rest| !rest.contains('|') && !rest.ends_with('\\'));
        if let Some(whole) = whole {
            return whole.to_owned();
        }
        self.note(path, "it is not anchored, so that it is found anywhere in the name; kept so: anchor it with ^ and $");
        format!("(?s:.*?)(?:{pattern})(?s:.*)")
    }

    fn key(&mut self, path: &str, from: &Value, signers: &mut RawSignatures) {
        for (name, value) in from.as_object().into_iter().flatten() {
            match (name.as_str(), value.as_str()) {
                ("data", Some(pem)) => signers.keys.push(pem.to_owned()),
                ("hashAlgorithm", _) => self.note(
                    &member(path, name),
                    "the hash is the one that belongs to the key, or SHA-256",
                ),
                _ => self.left_out(
                    &member(path, name),
                    "keys are read from the policy itself: put the public key under key.data",
                ),
            }
        }
        if signers.keys.is_empty() {
            self.left_out(path, "it holds no public key");
        }
    }

    fn log(&mut self, path: &str, from: &Value, raw: &mut RawDocument) {
        raw.log = Some(RawThreshold { threshold: 1 });
        root(from, raw);
        for name in from.as_object().into_iter().flatten().map(|(name, _)| name) {
            match name.as_str() {
                "trustRootRef" => {}
                "url" => self.note(
                    &member(path, name),
                    "the logs are those of the trusted root",
                ),
                _ => self.left_out(
                    &member(path, name),
                    "put the log's key into a trusted root instead",
                ),
            }
        }
    }

    fn attestation(
        &mut self,
        path: &str,
        from: &Value,
        signers: &RawSignatures,
    ) -> Option<RawAttestation> {
        let Some(predicate) = text(from, "/predicateType") else {
            self.left_out(&member(path, "predicateType"), "it is missing");
            return None;
        };
        let mut rego = None;
        for (name, value) in from.as_object()? {
            match name.as_str() {
                "name" | "predicateType" => {}
                "policy" => rego = self.rules(&member(path, name), value),
                _ => self.left_out(&member(path, name), "it is not known, and may restrict"),
            }
        }
        Some(RawAttestation {
            predicate_type: RawMatch::Pattern(RawPattern::Exact(
                predicate_uri(predicate).to_owned(),
            )),
            identities: signers.identities.clone(),
            keys: signers.keys.clone(),
            threshold: None,
            cel: Vec::new(),
            rego,
        })
    }

    fn rules(&mut self, path: &str, from: &Value) -> Option<String> {
        let kind = text(from, "/type").unwrap_or_default();
        for name in from.as_object().into_iter().flatten().map(|(name, _)| name) {
            match name.as_str() {
                "type" | "data" => {}
                "fetchConfigFile" => self.left_out(
                    &member(path, name),
                    "rules see the attestation alone, not the image's configuration",
                ),
                "includeSpec" | "includeObjectMeta" | "includeTypeMeta" => self.left_out(
                    &member(path, name),
                    "rules see the attestation alone, not the cluster's object",
                ),
                _ => self.left_out(
                    &member(path, name),
                    "rules stand in the policy itself: nothing is fetched",
                ),
            }
        }
        match (kind, text(from, "/data")) {
            ("rego", Some(module)) => Some(module.to_owned()),
            ("cue", _) => {
                self.left_out(path, "CUE is not read: write the rule in CEL or Rego");
                None
            }
            _ => {
                self.left_out(path, "it holds no Rego module");
                None
            }
        }
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn root(from: &Value, raw: &mut RawDocument) {
    if let Some(name) = text(from, "/trustRootRef")
        && !raw.roots.iter().any(|known| known == name)
    {
        raw.roots.push(name.to_owned());
    }
}

/// cosign's short names.
fn predicate_uri(name: &str) -> &str {
    match name {
        "custom" => "https://cosign.sigstore.dev/attestation/v1",
        "slsaprovenance" | "slsaprovenance02" => "https://slsa.dev/provenance/v0.2",
        "slsaprovenance1" => "https://slsa.dev/provenance/v1",
        "spdx" | "spdxjson" => "https://spdx.dev/Document",
        "cyclonedx" => "https://cyclonedx.org/bom",
        "link" => "https://in-toto.io/Link/v1",
        "vuln" => "https://cosign.sigstore.dev/attestation/vuln/v1",
        "openvex" => "https://openvex.dev/ns",
        uri => uri,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(authorities: &str) -> String {
        format!(
            "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {{name: images}}\nspec:\n  images: [{{glob: '**'}}]\n  authorities:\n{authorities}"
        )
    }

    fn left_out(unmapped: &[Unmapped]) -> Vec<&str> {
        let out = unmapped.iter().filter(|one| one.left_out);
        out.map(|one| one.path.as_str()).collect()
    }

    #[test]
    fn keyless_identities_become_a_document_of_their_own() {
        let yaml = policy(
            "    - name: release\n      keyless:\n        url: https://fulcio.sigstore.dev\n        trustRootRef: ours\n        identities:\n        - {issuer: 'https://token.actions.githubusercontent.com', subjectRegExp: '^https://github\\.com/acme/app/.*$'}\n      ctlog: {url: 'https://rekor.sigstore.dev'}\n    - keyless: {identities: [{issuer: i, subject: a@b.c}]}\n",
        );
        let (documents, unmapped) = read(yaml.as_bytes()).unwrap();
        let [first, second] = documents.as_slice() else {
            panic!("{unmapped:?}");
        };
        assert_eq!(
            (first.name(), second.name()),
            ("images/release", "images/1")
        );
        assert_eq!(first.roots(), ["ours"]);
        let rule = first
            .signatures
            .as_ref()
            .and_then(|one| one.identities.first())
            .unwrap();
        assert_eq!(
            rule.identity(),
            &verifier::Match::Regexp(r"https://github\.com/acme/app/.*".into())
        );
        assert_eq!(left_out(&unmapped), [""; 0]);
        assert!(unmapped.iter().any(|one| one.path == "spec.images"));
    }

    #[test]
    fn an_unanchored_pattern_keeps_its_meaning_and_is_mentioned() {
        let yaml =
            policy("    - keyless: {identities: [{issuer: i, subjectRegExp: 'acme|app'}]}\n");
        let (documents, unmapped) = read(yaml.as_bytes()).unwrap();
        let rule = documents[0].signatures.as_ref().unwrap().identities[0]
            .identity()
            .clone();
        let pattern = verifier::Pattern::new(rule).unwrap();
        assert!(pattern.accepts("my acme x") && pattern.accepts("app") && !pattern.accepts("x"));
        assert!(
            unmapped
                .iter()
                .any(|one| one.path.ends_with("subjectRegExp"))
        );
    }

    #[test]
    fn attestations_with_rego_map_and_with_cue_take_their_authority_with_them() {
        let authority = |policy: &str| {
            format!(
                "    - keyless: {{identities: [{{issuer: i, subject: s}}]}}\n      attestations:\n      - name: scan\n        predicateType: vuln\n        policy: {policy}\n"
            )
        };
        let yaml = policy(&authority(
            "{type: rego, data: \"package sigstore\\nisCompliant { input.predicate.ok }\"}",
        ));
        let (documents, _) = read(yaml.as_bytes()).unwrap();
        assert!(documents[0].has_rego() && documents[0].signatures.is_none());
        for refused in [
            "{type: cue, data: 'x: 1'}",
            "{type: rego, url: 'https://x.test/p.rego'}",
            "{type: rego, data: 'package p', fetchConfigFile: true}",
        ] {
            let (documents, unmapped) = read(policy(&authority(refused)).as_bytes()).unwrap();
            assert!(documents.is_empty(), "{refused}");
            assert!(!left_out(&unmapped).is_empty(), "{refused}");
        }
    }

    #[test]
    fn what_restricts_and_is_not_known_leaves_nothing_behind() {
        for authority in [
            "    - static: {action: pass}\n",
            "    - key: {kms: 'gcpkms://x'}\n",
            "    - key: {secretRef: {name: x}}\n",
            "    - keyless: {url: 'https://x.test'}\n",
            "    - keyless: {identities: [{issuer: i}]}\n",
            "    - keyless: {identities: [{issuer: i, subject: s}]}\n      novelty: 1\n",
            "    - keyless: {identities: [{issuer: i, subject: s}]}\n  policy: {type: cue, data: x}\n",
        ] {
            let (documents, unmapped) = read(policy(authority).as_bytes()).unwrap();
            assert!(documents.is_empty(), "{authority}");
            assert!(!left_out(&unmapped).is_empty(), "{authority}");
        }
    }

    #[test]
    fn other_manifests_are_refused() {
        for text in [
            "kind: Pod\nspec: {authorities: []}",
            "{}",
            "a: [",
            "kind: ClusterImagePolicy",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
