//! Fulcio's extensions 1.3.6.1.4.1.57264.1.*, and the subject alternative name: build and read.
use crate::cert::{CertError, Certificate, San};
use crate::{oid, tlv};
use const_oid::ObjectIdentifier;
use der::asn1::{Any, Ia5String, OctetString, Utf8StringRef};
use der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames, OtherName};

/// What a token's principal becomes in a certificate. Empty strings are not embedded.
///
/// Names and meaning are those of Fulcio's OID list; the number behind each is the last arc of its OID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FulcioExtensions {
    /// 1 (raw) and 8: the OIDC issuer.
    pub issuer: String,
    /// 2 (raw, deprecated): what triggered the workflow.
    pub github_workflow_trigger: String,
    /// 3 (raw, deprecated): commit of the workflow.
    pub github_workflow_sha: String,
    /// 4 (raw, deprecated): name of the workflow.
    pub github_workflow_name: String,
    /// 5 (raw, deprecated): repository of the workflow.
    pub github_workflow_repository: String,
    /// 6 (raw, deprecated): git ref of the workflow.
    pub github_workflow_ref: String,
    /// 9: build instructions that sign.
    pub build_signer_uri: String,
    /// 10: immutable version of 9.
    pub build_signer_digest: String,
    /// 11: `github-hosted`, `self-hosted` and the like.
    pub runner_environment: String,
    /// 12: source repository.
    pub source_repository_uri: String,
    /// 13: commit of the source.
    pub source_repository_digest: String,
    /// 14: git ref of the source.
    pub source_repository_ref: String,
    /// 15: immutable identifier of the repository.
    pub source_repository_identifier: String,
    /// 16: owner of the repository.
    pub source_repository_owner_uri: String,
    /// 17: immutable identifier of the owner.
    pub source_repository_owner_identifier: String,
    /// 18: top-level build file.
    pub build_config_uri: String,
    /// 19: immutable version of 18.
    pub build_config_digest: String,
    /// 20: what triggered the build.
    pub build_trigger: String,
    /// 21: the run.
    pub run_invocation_uri: String,
    /// 22: visibility of the repository when signing.
    pub source_repository_visibility_at_signing: String,
    /// 23: deployment environment.
    pub deployment_environment: String,
    /// 24: the token's `sub` as it was.
    pub subject: String,
}

/// How a value is wrapped in extnValue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// The UTF-8 bytes as they are (OIDs 1 to 6).
    Raw,
    /// A DER UTF8String (OIDs 8 to 24).
    Utf8String,
}
use Encoding::{Raw, Utf8String};

/// One row of the OID list.
struct Row {
    arc: u8,
    encoding: Encoding,
    /// Kebab-case name in Fulcio's configuration; None for what comes from the token alone.
    config_name: Option<&'static str>,
    get: fn(&FulcioExtensions) -> &String,
    get_mut: fn(&mut FulcioExtensions) -> &mut String,
}

macro_rules! row {
    ($arc:literal, $encoding:expr, $config:expr, $field:ident) => {
        Row {
            arc: $arc,
            encoding: $encoding,
            config_name: $config,
            get: |e| &e.$field,
            get_mut: |e| &mut e.$field,
        }
    };
}

/// The highest arc of [`ROWS`].
const LAST_ARC: usize = 24;

/// Ascending, as they stand in a certificate. 7 is no extension but a type of otherName.
const ROWS: [Row; 23] = [
    row!(1, Raw, None, issuer),
    row!(
        2,
        Raw,
        Some("github-workflow-trigger"),
        github_workflow_trigger
    ),
    row!(3, Raw, Some("github-workflow-sha"), github_workflow_sha),
    row!(4, Raw, Some("github-workflow-name"), github_workflow_name),
    row!(
        5,
        Raw,
        Some("github-workflow-repository"),
        github_workflow_repository
    ),
    row!(6, Raw, Some("github-workflow-ref"), github_workflow_ref),
    row!(8, Utf8String, None, issuer),
    row!(9, Utf8String, Some("build-signer-uri"), build_signer_uri),
    row!(
        10,
        Utf8String,
        Some("build-signer-digest"),
        build_signer_digest
    ),
    row!(
        11,
        Utf8String,
        Some("runner-environment"),
        runner_environment
    ),
    row!(
        12,
        Utf8String,
        Some("source-repository-uri"),
        source_repository_uri
    ),
    row!(
        13,
        Utf8String,
        Some("source-repository-digest"),
        source_repository_digest
    ),
    row!(
        14,
        Utf8String,
        Some("source-repository-ref"),
        source_repository_ref
    ),
    row!(
        15,
        Utf8String,
        Some("source-repository-identifier"),
        source_repository_identifier
    ),
    row!(
        16,
        Utf8String,
        Some("source-repository-owner-uri"),
        source_repository_owner_uri
    ),
    row!(
        17,
        Utf8String,
        Some("source-repository-owner-identifier"),
        source_repository_owner_identifier
    ),
    row!(18, Utf8String, Some("build-config-uri"), build_config_uri),
    row!(
        19,
        Utf8String,
        Some("build-config-digest"),
        build_config_digest
    ),
    row!(20, Utf8String, Some("build-trigger"), build_trigger),
    row!(
        21,
        Utf8String,
        Some("run-invocation-uri"),
        run_invocation_uri
    ),
    row!(
        22,
        Utf8String,
        Some("source-repository-visibility-at-signing"),
        source_repository_visibility_at_signing
    ),
    row!(
        23,
        Utf8String,
        Some("deployment-environment"),
        deployment_environment
    ),
    row!(24, Utf8String, None, subject),
];

impl FulcioExtensions {
    /// Reads them from a certificate. The issuer of 8 replaces that of 1; what does not decode stays empty.
    pub fn read(cert: &Certificate) -> Self {
        let mut values: [Option<&[u8]>; 1 + LAST_ARC] = [None; 1 + LAST_ARC];
        for (id, value) in cert.extensions() {
            if let Some(place) = arc_of(id).and_then(|arc| values.get_mut(usize::from(arc))) {
                *place = Some(value);
            }
        }
        let mut read = Self::default();
        for row in &ROWS {
            if let Some(value) = values.get(usize::from(row.arc)).copied().flatten() {
                *(row.get_mut)(&mut read) = decode_value(row.encoding, value).unwrap_or_default();
            }
        }
        read
    }

    /// Encodes the non-empty ones as whole, non-critical Extensions, each with the last arc of its OID, ascending.
    pub fn to_der(&self) -> Vec<(u8, Vec<u8>)> {
        let filled = ROWS.iter().filter(|row| !(row.get)(self).is_empty());
        // Encoding fails only beyond 256 MiB, far above what a token may hold.
        filled
            .filter_map(|row| Some((row.arc, encode_extension(row, (row.get)(self)).ok()?)))
            .collect()
    }

    /// Sets one by its kebab-case name in Fulcio's configuration, e.g. `build-signer-uri`; false when unknown.
    /// Issuer and subject come from the token and have no such name.
    pub fn set(&mut self, kebab_name: &str, value: String) -> bool {
        let Some(row) = ROWS.iter().find(|row| row.config_name == Some(kebab_name)) else {
            return false;
        };
        *(row.get_mut)(self) = value;
        true
    }

    /// Lists the non-empty ones: last arc of the OID, and value. The issuer comes twice, as 1 and 8.
    pub fn values(&self) -> impl Iterator<Item = (u8, &str)> {
        ROWS.iter()
            .map(|row| (row.arc, (row.get)(self).as_str()))
            .filter(|(_, value)| !value.is_empty())
    }

    /// Lists the names under which [`FulcioExtensions::named`] gives values, in the order of their OIDs.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ROWS.iter().filter_map(name_of)
    }

    /// Lists the non-empty ones by name: Fulcio's kebab-case configuration name, and `subject`. The issuer is not
    /// among them: it is half of every identity.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        ROWS.iter()
            .filter_map(|row| Some((name_of(row)?, (row.get)(self).as_str())))
            .filter(|(_, value)| !value.is_empty())
    }

    pub(crate) fn to_x509(&self) -> der::Result<Vec<Extension>> {
        ROWS.iter()
            .filter(|row| !(row.get)(self).is_empty())
            .map(|row| extension(row, (row.get)(self)))
            .collect()
    }
}

fn name_of(row: &Row) -> Option<&'static str> {
    const SUBJECT: u8 = 24;
    row.config_name
        .or((row.arc == SUBJECT).then_some("subject"))
}

fn oid_of(arc: u8) -> ObjectIdentifier {
    // The arc and one number more always fit; were it otherwise, the bare arc is the OID of no extension.
    oid::FULCIO.push_arc(arc.into()).unwrap_or(oid::FULCIO)
}

/// The last arc of a child of Fulcio's arc, when it has one byte.
fn arc_of(id: &ObjectIdentifier) -> Option<u8> {
    match id.as_bytes().strip_prefix(oid::FULCIO.as_bytes())? {
        [arc @ 0..0x80] => Some(*arc),
        _ => None,
    }
}

fn extension(row: &Row, value: &str) -> der::Result<Extension> {
    let content = match row.encoding {
        Raw => value.as_bytes().to_vec(),
        Utf8String => Utf8StringRef::new(value)?.to_der()?,
    };
    Ok(Extension {
        extn_id: oid_of(row.arc),
        critical: false,
        extn_value: OctetString::new(content)?,
    })
}

fn encode_extension(row: &Row, value: &str) -> der::Result<Vec<u8>> {
    extension(row, value)?.to_der()
}

fn decode_value(encoding: Encoding, value: &[u8]) -> Option<String> {
    match encoding {
        Raw => String::from_utf8(value.to_vec()).ok(),
        Utf8String => Utf8StringRef::from_der(value)
            .ok()
            .map(|text| text.as_str().to_owned()),
    }
}

/// Encodes one subject alternative name as DER GeneralNames (spec/fulcio.md 4.4).
///
/// Emails and URIs are IA5String: they must be non-empty ASCII.
pub fn san_der(san: &San) -> Result<Vec<u8>, CertError> {
    let refused = || CertError::SanEncoding {
        value: san.value().to_owned(),
    };
    if san.value().is_empty() {
        return Err(refused());
    }
    let ia5 = |text: &str| Ia5String::new(text).map_err(|_| refused());
    let name = match san {
        San::Email(email) => GeneralName::Rfc822Name(ia5(email)?),
        San::Uri(uri) => GeneralName::UniformResourceIdentifier(ia5(uri)?),
        San::OtherName(text) => {
            let value = Any::encode_from(&Utf8StringRef::new(text)?)?;
            GeneralName::OtherName(OtherName {
                type_id: oid::FULCIO_OTHER_NAME,
                value,
            })
        }
    };
    Ok(vec![name].to_der()?)
}

/// Reads DER GeneralNames that hold exactly one name of a kind that Fulcio issues.
pub(crate) fn parse_san(der: &[u8]) -> Result<San, CertError> {
    let malformed = || CertError::MalformedExtension {
        oid: oid::SUBJECT_ALT_NAME.to_string(),
    };
    // A directoryName would hold SETs.
    let names: GeneralNames = tlv::decode(der).map_err(|_| malformed())?;
    let [name] = names.as_slice() else {
        return Err(CertError::SanCount { count: names.len() });
    };
    match name {
        GeneralName::Rfc822Name(email) => Ok(San::Email(email.as_str().to_owned())),
        GeneralName::UniformResourceIdentifier(uri) => Ok(San::Uri(uri.as_str().to_owned())),
        GeneralName::OtherName(other) if other.type_id == oid::FULCIO_OTHER_NAME => {
            let text = other
                .value
                .decode_as::<Utf8StringRef<'_>>()
                .map_err(|_| malformed())?;
            Ok(San::OtherName(text.as_str().to_owned()))
        }
        _ => Err(CertError::SanKind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// spec/fulcio.md 4.4.
    #[test]
    fn names_have_the_published_bytes() {
        for (san, want) in [
            (
                San::Email("a@example.com".into()),
                "300f810d61406578616d706c652e636f6d",
            ),
            (
                San::Uri("https://x.example/y".into()),
                "3015861368747470733a2f2f782e6578616d706c652f79",
            ),
            (
                San::OtherName("alice!example.com".into()),
                "3023a021060a2b0601040183bf300107a0130c11616c696365216578616d706c652e636f6d",
            ),
        ] {
            let der = san_der(&san).unwrap();
            assert_eq!(hex::encode(&der), want);
            assert_eq!(parse_san(&der), Ok(san));
        }
    }

    #[test]
    fn names_outside_ascii_or_empty_are_refused() {
        for san in [
            San::Uri("https://ü.example".into()),
            San::Email("é@example.com".into()),
            San::Uri(String::new()),
        ] {
            assert_eq!(
                san_der(&san),
                Err(CertError::SanEncoding {
                    value: san.value().to_owned()
                })
            );
        }
    }

    #[test]
    fn two_names_and_foreign_kinds_are_refused() {
        let email = GeneralName::Rfc822Name(Ia5String::new("a@b.c").unwrap());
        let dns = GeneralName::DnsName(Ia5String::new("b.c").unwrap());
        assert_eq!(
            parse_san(&vec![email.clone(), email].to_der().unwrap()),
            Err(CertError::SanCount { count: 2 })
        );
        assert_eq!(
            parse_san(&vec![dns].to_der().unwrap()),
            Err(CertError::SanKind)
        );
        assert_eq!(
            parse_san(&[0x30, 0x00]),
            Err(CertError::SanCount { count: 0 })
        );
    }

    /// spec/fulcio.md 4.4.
    #[test]
    fn the_issuer_has_the_published_bytes() {
        let extensions = FulcioExtensions {
            issuer: "https://issuer.example".into(),
            ..Default::default()
        };
        let der: Vec<_> = extensions
            .to_der()
            .into_iter()
            .map(|(arc, der)| (arc, hex::encode(der)))
            .collect();
        assert_eq!(
            der,
            [
                (1, "3024060a2b0601040183bf300101041668747470733a2f2f6973737565722e6578616d706c65".to_owned()),
                (8, "3026060a2b0601040183bf30010804180c1668747470733a2f2f6973737565722e6578616d706c65".to_owned()),
            ]
        );
    }

    #[test]
    fn all_extensions_come_in_ascending_order() {
        let mut all = FulcioExtensions {
            issuer: "i".into(),
            subject: "s".into(),
            ..Default::default()
        };
        for row in ROWS.iter().filter_map(|row| row.config_name) {
            assert!(all.set(row, row.to_owned()));
        }
        let arcs: Vec<_> = all.to_der().into_iter().map(|(arc, _)| arc).collect();
        assert_eq!(arcs, (1..=24).filter(|arc| *arc != 7).collect::<Vec<u8>>());
        assert_eq!(all.values().count(), 23);
        assert_eq!(
            all.source_repository_visibility_at_signing,
            "source-repository-visibility-at-signing"
        );
    }

    #[test]
    fn values_are_listed_by_name_without_the_issuer() {
        let extensions = FulcioExtensions {
            issuer: "i".into(),
            build_trigger: "push".into(),
            subject: "s".into(),
            ..Default::default()
        };
        let named: Vec<_> = extensions.named().collect();
        assert_eq!(named, [("build-trigger", "push"), ("subject", "s")]);
        assert_eq!(FulcioExtensions::names().count(), 21);
    }

    #[test]
    fn names_of_the_token_cannot_be_set() {
        let mut extensions = FulcioExtensions::default();
        for name in [
            "issuer",
            "subject",
            "build_signer_uri",
            "BuildSignerURI",
            "",
        ] {
            assert!(!extensions.set(name, "x".into()));
        }
        assert_eq!(extensions, FulcioExtensions::default());
    }

    #[test]
    fn an_arc_is_the_last_of_its_oid() {
        for row in &ROWS {
            assert_eq!(arc_of(&oid_of(row.arc)), Some(row.arc));
            assert!(usize::from(row.arc) <= LAST_ARC);
        }
        for other in [
            "1.3.6.1.4.1.57264.1",
            "1.3.6.1.4.1.57264.1.8.1",
            "1.3.6.1.4.1.57264.1.300",
            "2.5.29.17",
        ] {
            assert_eq!(arc_of(&ObjectIdentifier::new_unwrap(other)), None);
        }
    }

    proptest! {
        #[test]
        fn random_names_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse_san(&bytes);
            let _ = decode_value(Utf8String, &bytes);
        }
    }
}
