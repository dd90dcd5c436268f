//! A timestamp over a signature (RFC 3161; spec/clients.md section d).
//!
//! Only what a client must see before it keeps a response is read here: status, imprint and nonce.
//! Signature and certificates are the verifier's matter.

use crate::error::{ServiceName, SignError, TimestampProblem};
use crate::http::{Call, Transport, one_line, parse};
use crate::limits;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Encode, Reader, Sequence, SliceReader};
use sha2::{Digest, Sha256};
use url::Url;

const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// Asks the authority for a timestamp over raw signature bytes; gives the DER response for the bundle.
pub(crate) async fn timestamp(
    transport: &Transport,
    url: &str,
    signature: &[u8],
) -> Result<Vec<u8>, SignError> {
    let digest: [u8; 32] = Sha256::digest(signature).into();
    let nonce = nonce()?;
    let query = query(&digest, &nonce).expect("32 and 8 bytes fit every DER length");
    let call = Call {
        service: ServiceName::Tsa,
        url: endpoint(url)?,
        body: Some(("application/timestamp-query", &query)),
        accept: "application/timestamp-reply",
        token: None,
        limit: limits::TSA_ANSWER,
    };
    let answer = transport.send(&call).await?;
    if !matches!(answer.status, 200 | 201) {
        return Err(call.refused(&answer));
    }
    match check(&answer.body, &digest, &nonce) {
        Ok(()) => Ok(answer.body),
        Err(problem) => Err(SignError::Timestamp {
            url: call.url.to_string(),
            problem,
        }),
    }
}

/// `tsaUrls` holds complete endpoints; a bare host means the usual one, as sigstore-js has it.
fn endpoint(url: &str) -> Result<Url, SignError> {
    let mut url = parse(ServiceName::Tsa, url)?;
    if url.path() == "/" {
        url.set_path("/api/v1/timestamp");
    }
    Ok(url)
}

/// Eight random bytes; the first is neither zero nor above 0x7f, so that the INTEGER has one form.
fn nonce() -> Result<[u8; 8], SignError> {
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(|_| SignError::Randomness)?;
    nonce[0] = (nonce[0] & 0x7f) | 0x40;
    Ok(nonce)
}

/// RFC 3161 section 2.4.1. Certificates are asked for: some verifiers want the leaf in the token.
fn query(digest: &[u8; 32], nonce: &[u8; 8]) -> der::Result<Vec<u8>> {
    let hash_algorithm = AlgorithmIdentifier {
        oid: SHA_256,
        parameters: Some(AnyRef::NULL),
    };
    let message_imprint = MessageImprint {
        hash_algorithm,
        hashed_message: OctetStringRef::new(digest)?,
    };
    TimeStampReq {
        version: 1,
        message_imprint,
        nonce: UintRef::new(nonce)?,
        cert_req: true,
    }
    .to_der()
}

/// RFC 3161 section 2.4.2: granted, over our digest, with our nonce.
fn check(response: &[u8], digest: &[u8; 32], nonce: &[u8; 8]) -> Result<(), TimestampProblem> {
    let response = TimeStampResp::from_der(response).map_err(|_| TimestampProblem::Malformed)?;
    if response.status.status != 0 {
        let text = response.status.status_string.unwrap_or_default().join(" ");
        return Err(TimestampProblem::NotGranted {
            status: response.status.status,
            text: one_line(&text),
        });
    }
    let token = response.time_stamp_token.ok_or(TimestampProblem::NoToken)?;
    let (imprint, answered) = token_facts(token).map_err(|_| TimestampProblem::Malformed)?;
    if imprint.hash_algorithm.oid != SHA_256 || imprint.hashed_message.as_bytes() != digest {
        return Err(TimestampProblem::OtherImprint);
    }
    if answered.map(|nonce| nonce.as_bytes()) != Some(nonce) {
        return Err(TimestampProblem::OtherNonce);
    }
    Ok(())
}

/// Reads imprint and nonce out of a CMS token. The rest of the SignedData is skipped: authorities write
/// its certificate set in the order of the chain, which strict DER decoders refuse.
fn token_facts<'a>(
    token: ContentInfo<'a>,
) -> der::Result<(MessageImprint<'a>, Option<UintRef<'a>>)> {
    let malformed = || der::Tag::Sequence.value_error();
    if token.content_type != SIGNED_DATA {
        return Err(malformed());
    }
    let mut signed_data = SliceReader::new(token.content.value())?;
    signed_data.decode::<u8>()?; // version
    signed_data.decode::<AnyRef<'_>>()?; // digestAlgorithms
    let content: EncapsulatedContent<'a> = signed_data.decode()?;
    if content.content_type != TST_INFO {
        return Err(malformed());
    }
    let info: AnyRef<'a> = AnyRef::from_der(content.content.as_bytes())?;
    let mut info = SliceReader::new(info.value())?;
    info.decode::<u8>()?; // version
    info.decode::<ObjectIdentifier>()?; // policy
    let imprint: MessageImprint<'a> = info.decode()?;
    info.decode::<AnyRef<'_>>()?; // serialNumber
    info.decode::<AnyRef<'_>>()?; // genTime, maybe with fractions, which der's type refuses
    // accuracy SEQUENCE OPTIONAL, ordering BOOLEAN DEFAULT FALSE, nonce INTEGER OPTIONAL.
    let mut nonce = None;
    while !info.is_finished() {
        let member: AnyRef<'a> = info.decode()?;
        if der::Tagged::tag(&member) == der::Tag::Integer {
            nonce = Some(member.decode_as()?);
            break;
        }
    }
    Ok((imprint, nonce))
}

#[derive(Clone, Debug, Sequence)]
struct AlgorithmIdentifier<'a> {
    oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<AnyRef<'a>>,
}

#[derive(Clone, Debug, Sequence)]
struct MessageImprint<'a> {
    hash_algorithm: AlgorithmIdentifier<'a>,
    hashed_message: OctetStringRef<'a>,
}

#[derive(Clone, Debug, Sequence)]
struct TimeStampReq<'a> {
    version: u8,
    message_imprint: MessageImprint<'a>,
    nonce: UintRef<'a>,
    #[asn1(default = "Default::default")]
    cert_req: bool,
}

#[derive(Clone, Debug, Sequence)]
struct PkiStatusInfo<'a> {
    status: u32,
    #[asn1(optional = "true")]
    status_string: Option<Vec<String>>,
    #[asn1(optional = "true")]
    fail_info: Option<BitStringRef<'a>>,
}

#[derive(Clone, Debug, Sequence)]
struct TimeStampResp<'a> {
    status: PkiStatusInfo<'a>,
    #[asn1(optional = "true")]
    time_stamp_token: Option<ContentInfo<'a>>,
}

#[derive(Clone, Debug, Sequence)]
struct ContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: AnyRef<'a>,
}

#[derive(Clone, Debug, Sequence)]
struct EncapsulatedContent<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: OctetStringRef<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: [u8; 32] = [0xab; 32];
    const NONCE: [u8; 8] = [0x41, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn a_query_is_byte_exact() {
        let expected = format!(
            "3043020101{}{}{}",
            format_args!("3031300d060960864801650304020105000420{}", "ab".repeat(32)),
            "02084102030405060708",
            "0101ff"
        );
        assert_eq!(hex::encode(query(&DIGEST, &NONCE).unwrap()), expected);
    }

    #[test]
    fn nonces_differ_and_are_positive() {
        let (a, b) = (nonce().unwrap(), nonce().unwrap());
        assert_ne!(a, b);
        assert!(a[0] & 0x80 == 0 && a[0] != 0);
    }

    #[test]
    fn a_bare_host_means_the_usual_endpoint() {
        let url = |text| endpoint(text).unwrap().to_string();
        assert_eq!(
            url("https://tsa.example"),
            "https://tsa.example/api/v1/timestamp"
        );
        assert_eq!(
            url("https://tsa.example/"),
            "https://tsa.example/api/v1/timestamp"
        );
        assert_eq!(url("https://tsa.example/tsr"), "https://tsa.example/tsr");
    }

    /// A timestamp out of a published bundle, with the digest that it stamps.
    fn published() -> Option<(Vec<u8>, [u8; 32])> {
        let folder = testkit::vectors("conformance")?;
        let json = std::fs::read(folder.join("rekor2-happy-path/bundle.sigstore.json")).unwrap();
        let bundle = formats::bundle::Bundle::parse(&json).unwrap();
        let response = bundle
            .verification_material
            .timestamps()
            .next()
            .unwrap()
            .to_vec();
        Some((response, Sha256::digest(bundle.signature().unwrap()).into()))
    }

    fn nonce_of(response: &[u8]) -> Option<Vec<u8>> {
        let token = TimeStampResp::from_der(response)
            .unwrap()
            .time_stamp_token
            .unwrap();
        token_facts(token)
            .unwrap()
            .1
            .map(|nonce| nonce.as_bytes().to_vec())
    }

    #[test]
    fn a_published_timestamp_is_read_and_foreign_ones_are_told_apart() {
        let Some((response, digest)) = published() else {
            return;
        };
        assert_eq!(
            check(&response, &DIGEST, &NONCE),
            Err(TimestampProblem::OtherImprint)
        );
        assert_eq!(
            check(&response, &digest, &NONCE),
            Err(TimestampProblem::OtherNonce)
        );
        let nonce: [u8; 8] = nonce_of(&response).unwrap().try_into().unwrap();
        assert_eq!(check(&response, &digest, &nonce), Ok(()));
    }

    #[test]
    fn a_refusal_says_the_status_and_text() {
        // PKIStatusInfo { 2, ["no"], failInfo badAlg }
        let refusal = hex::decode("300f300d02010230040c026e6f03020780").unwrap();
        let problem = TimestampProblem::NotGranted {
            status: 2,
            text: "no".into(),
        };
        assert_eq!(check(&refusal, &DIGEST, &NONCE), Err(problem));
        let granted_without_token = hex::decode("30053003020100").unwrap();
        assert_eq!(
            check(&granted_without_token, &DIGEST, &NONCE),
            Err(TimestampProblem::NoToken)
        );
        for malformed in [&b""[..], b"<html>", &[0x30, 0x80]] {
            assert_eq!(
                check(malformed, &DIGEST, &NONCE),
                Err(TimestampProblem::Malformed)
            );
        }
    }
}
