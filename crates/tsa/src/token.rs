//! Timestamp tokens: a TSTInfo (RFC 3161 section 2.4.2) in a CMS SignedData (RFC 5652 section 5).

use crate::asn1::{octet_string, sequence, set_of, tag, tlv, unsigned};
use crate::request::{POLICY, Request};
use der::Encode;
use der::asn1::{GeneralizedTime, ObjectIdentifier, UtcTime};
use keys::{KeyError, Signer};
use pki::cert::Certificate;
use pki::key::{HashAlgorithm, Scheme};
use std::time::Duration;
use time::OffsetDateTime;

// RFC 5652 sections 5.1 and 11, RFC 3161 section 2.4.2, RFC 5035 section 5.4.
const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const ID_CT_TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const ID_CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const ID_MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const ID_SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const ID_AA_SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
// RFC 5754 sections 2 and 3.2: no parameters, neither for the hash nor for the signature.
const ID_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ID_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");

/// INTEGER 1 and 3: versions of TSTInfo and SignerInfo, and of SignedData whose content is not id-data.
const VERSION_1: [u8; 3] = [0x02, 0x01, 0x01];
const VERSION_3: [u8; 3] = [0x02, 0x01, 0x03];
/// Accuracy SEQUENCE { seconds 1 }: times are cut to whole seconds.
const ACCURACY_ONE_SECOND: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x01];
/// PKIStatusInfo SEQUENCE { status granted(0) }.
const GRANTED: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x00];

/// Why no token could be made for a granted request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error(transparent)]
    Sign(#[from] KeyError),
    #[error("the clock shows a time that a token cannot carry: {0}")]
    Time(OffsetDateTime),
    #[error("DER: {0}")]
    Der(#[from] der::Error),
}

/// The parts of a token that are the same in every answer of one signer, encoded once.
pub(crate) struct Template {
    hash: HashAlgorithm,
    policy: Vec<u8>,
    tst_type: Vec<u8>,
    signed_data_type: Vec<u8>,
    digest_algorithm: Vec<u8>,
    signature_algorithm: Vec<u8>,
    /// IssuerAndSerialNumber: sigstore-js compares issuer and serial with those of the trusted leaf.
    signer_id: Vec<u8>,
    content_type: Vec<u8>,
    signing_certificate: Vec<u8>,
    /// `[0] IMPLICIT CertificateSet` with the leaf: sigstore-java requires exactly the trusted one.
    certificates: Vec<u8>,
}

impl Template {
    /// Prepares tokens signed with `scheme` under `leaf`; `None` when clients verify no such scheme.
    pub(crate) fn new(leaf: &Certificate, scheme: Scheme) -> Option<der::Result<Self>> {
        // sigstore-js verifies ECDSA with SHA-2 only.
        let (hash, hash_oid, signature_oid) = match scheme {
            Scheme::EcdsaP256Sha256 => (HashAlgorithm::Sha256, ID_SHA256, ECDSA_WITH_SHA256),
            Scheme::EcdsaP384Sha384 => (HashAlgorithm::Sha384, ID_SHA384, ECDSA_WITH_SHA384),
            _ => return None,
        };
        Some(Self::encode(leaf, hash, hash_oid, signature_oid))
    }

    fn encode(
        leaf: &Certificate,
        hash: HashAlgorithm,
        hash_oid: ObjectIdentifier,
        signature_oid: ObjectIdentifier,
    ) -> der::Result<Self> {
        let serial = leaf.x509().tbs_certificate.serial_number.to_der()?;
        let tst_type = ID_CT_TST_INFO.to_der()?;
        // RFC 5035 section 4: SHA-256 is the default hash of an ESSCertIDv2 and so left out.
        let certificate_id = sequence(&[&octet_string(&HashAlgorithm::Sha256.digest(leaf.der()))]);
        Ok(Self {
            hash,
            policy: POLICY.to_der()?,
            content_type: attribute(ID_CONTENT_TYPE, &tst_type)?,
            tst_type,
            signed_data_type: ID_SIGNED_DATA.to_der()?,
            digest_algorithm: sequence(&[&hash_oid.to_der()?]),
            signature_algorithm: sequence(&[&signature_oid.to_der()?]),
            signer_id: sequence(&[leaf.issuer_der(), &serial]),
            signing_certificate: attribute(
                ID_AA_SIGNING_CERTIFICATE_V2,
                &sequence(&[&sequence(&[&certificate_id])]),
            )?,
            certificates: tlv(tag::CONTEXT_0, &[leaf.der()]),
        })
    }

    /// Makes the TimeStampResp that grants `request`: one signature, nothing else slow.
    ///
    /// `now` is cut to whole seconds; `serial` is random and made positive here.
    pub(crate) async fn grant(
        &self,
        request: &Request,
        now: OffsetDateTime,
        serial: [u8; 20],
        signer: &Signer,
    ) -> Result<Vec<u8>, TokenError> {
        // 1. What is attested.
        let since_epoch = u64::try_from(now.unix_timestamp())
            .map(Duration::from_secs)
            .map_err(|_| TokenError::Time(now))?;
        let tst_info = self.tst_info(request, since_epoch, serial)?;
        // 2. The attributes. RFC 5652 section 5.4: what is signed is their SET OF, not the [0] of the message.
        let attributes = self.signed_attributes(&tst_info, since_epoch)?;
        let signature = signer.sign(&attributes).await?;
        // 3. The message around both.
        let signer_info = self.signer_info(&attributes, &signature);
        let token = self.content_info(&tst_info, &signer_info, request.cert_req);
        Ok(sequence(&[&GRANTED, &token]))
    }

    /// RFC 3161 section 2.4.2; ordering is FALSE and so absent, `tsa` and extensions are not used.
    fn tst_info(
        &self,
        request: &Request,
        since_epoch: Duration,
        serial: [u8; 20],
    ) -> der::Result<Vec<u8>> {
        let gen_time = GeneralizedTime::from_unix_duration(since_epoch)?.to_der()?;
        let nonce = match &request.nonce {
            Some(content) => tlv(tag::INTEGER, &[content]),
            None => Vec::new(),
        };
        Ok(sequence(&[
            &VERSION_1,
            &self.policy,
            &request.imprint,
            &unsigned(&positive(serial)),
            &gen_time,
            &ACCURACY_ONE_SECOND,
            &nonce,
        ]))
    }

    fn signed_attributes(&self, tst_info: &[u8], since_epoch: Duration) -> der::Result<Vec<u8>> {
        let digest = octet_string(&self.hash.digest(tst_info));
        Ok(set_of(vec![
            self.content_type.clone(),
            attribute(ID_MESSAGE_DIGEST, &digest)?,
            // Optional, but the Go library behind cosign and rekor-cli checks the chain at this time,
            // and without it at the verifier's own: tokens would die with their certificate.
            attribute(ID_SIGNING_TIME, &signing_time(since_epoch)?)?,
            self.signing_certificate.clone(),
        ]))
    }

    /// RFC 5652 section 5.3.
    fn signer_info(&self, attributes: &[u8], signature: &[u8]) -> Vec<u8> {
        // [0] IMPLICIT: the same octets under another tag.
        let mut implicit = attributes.to_vec();
        implicit[0] = tag::CONTEXT_0;
        sequence(&[
            &VERSION_1,
            &self.signer_id,
            &self.digest_algorithm,
            &implicit,
            &self.signature_algorithm,
            &octet_string(signature),
        ])
    }

    /// RFC 5652 sections 3 and 5.1.
    fn content_info(&self, tst_info: &[u8], signer_info: &[u8], cert_req: bool) -> Vec<u8> {
        let content = tlv(tag::CONTEXT_0, &[&octet_string(tst_info)]);
        let certificates: &[u8] = if cert_req { &self.certificates } else { &[] };
        let signed_data = sequence(&[
            &VERSION_3,
            &tlv(tag::SET, &[&self.digest_algorithm]),
            &sequence(&[&self.tst_type, &content]),
            certificates,
            &tlv(tag::SET, &[signer_info]),
        ]);
        sequence(&[
            &self.signed_data_type,
            &tlv(tag::CONTEXT_0, &[&signed_data]),
        ])
    }
}

/// Attribute SEQUENCE { type, SET OF one value }.
fn attribute(oid: ObjectIdentifier, value: &[u8]) -> der::Result<Vec<u8>> {
    Ok(sequence(&[&oid.to_der()?, &tlv(tag::SET, &[value])]))
}

/// RFC 5652 section 11.3: UTCTime through 2049, then GeneralizedTime.
fn signing_time(since_epoch: Duration) -> der::Result<Vec<u8>> {
    match UtcTime::from_unix_duration(since_epoch) {
        Ok(time) => time.to_der(),
        Err(_) => GeneralizedTime::from_unix_duration(since_epoch)?.to_der(),
    }
}

/// RFC 3161 section 2.4.2: up to 160 bits, here 159 random ones.
fn positive(mut serial: [u8; 20]) -> [u8; 20] {
    serial[0] &= 0x7f;
    if serial == [0; 20] {
        serial[19] = 1;
    }
    serial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_time_changes_its_form_in_2050() {
        let last = Duration::from_secs(2_524_607_999);
        assert_eq!(signing_time(last).unwrap(), b"\x17\x0d491231235959Z");
        let first = last + Duration::from_secs(1);
        assert_eq!(signing_time(first).unwrap(), b"\x18\x0f20500101000000Z");
    }

    #[test]
    fn a_serial_is_positive() {
        assert_eq!(positive([0xff; 20])[0], 0x7f);
        assert_eq!(positive([0; 20])[19], 1);
    }
}
