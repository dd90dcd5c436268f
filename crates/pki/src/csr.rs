//! PKCS#10 requests (RFC 2986): parse and check the self-signature. Subject and attributes are ignored, as Fulcio does.
use crate::algorithm::SignatureOidError;
use crate::key::{KeyError, PublicKey, Scheme};
use crate::pem::{self, PemError};
use crate::tlv::DerError;
use crate::{limits, tlv};
use der::asn1::BitString;
use der::{Decode, Tag};
use spki::AlgorithmIdentifierOwned;

const LABEL: &str = "CERTIFICATE REQUEST";
const LABEL_NEW: &str = "NEW CERTIFICATE REQUEST";

/// A parsed request. Its signature is checked by [`verify`](Self::verify), not by parsing.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    key: PublicKey,
    scheme: Scheme,
    info_der: Vec<u8>,
    signature: Vec<u8>,
}

impl CertificateRequest {
    /// Parses the first PEM block, a `CERTIFICATE REQUEST` or `NEW CERTIFICATE REQUEST`.
    pub fn parse_pem(text: &str) -> Result<Self, CsrError> {
        let block = pem::first(text)?;
        if block.label != LABEL && block.label != LABEL_NEW {
            return Err(PemError::Label {
                found: block.label,
                want: LABEL,
            }
            .into());
        }
        Self::parse_der(&block.der)
    }

    /// Parses a DER CertificationRequest.
    pub fn parse_der(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > limits::REQUEST_DER {
            return Err(CsrError::TooLarge {
                len: der.len(),
                max: limits::REQUEST_DER,
            });
        }
        tlv::check_sets(der)?;
        // CertificationRequest ::= SEQUENCE { info, signatureAlgorithm, signature }
        let parts = tlv::children(der, Tag::Sequence)?;
        let [info, algorithm, signature] = parts.as_slice() else {
            return Err(CsrError::Malformed);
        };
        let info_der = &der[info.clone()];
        let key = parse_info(info_der)?;
        let algorithm = AlgorithmIdentifierOwned::from_der(&der[algorithm.clone()])?;
        let scheme =
            Scheme::from_signature_oid(&algorithm.oid, key.kind()).map_err(
                |error| match error {
                    SignatureOidError::Unknown => {
                        CsrError::UnknownAlgorithm(algorithm.oid.to_string())
                    }
                    SignatureOidError::OtherKey => CsrError::AlgorithmMismatch,
                },
            )?;
        let signature = BitString::from_der(&der[signature.clone()])?;
        let signature = signature.as_bytes().ok_or(CsrError::Malformed)?.to_vec();
        Ok(Self {
            key,
            scheme,
            info_der: info_der.to_vec(),
            signature,
        })
    }

    /// Gives the key that asks for a certificate.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Gives the scheme of the self-signature; its hash is part of Fulcio's list of permitted algorithms.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Verifies the self-signature: the proof of possession of the key.
    pub fn verify(&self) -> Result<(), CsrError> {
        self.key
            .verify(self.scheme, &self.info_der, &self.signature)
            .map_err(|_| CsrError::Signature)
    }
}

/// Reads the key of a CertificationRequestInfo ::= SEQUENCE { version, subject, subjectPKInfo, attributes [0] }.
/// Attributes are not decoded, and may be missing, since clients disagree about them and nothing depends on them.
fn parse_info(info: &[u8]) -> Result<PublicKey, CsrError> {
    let parts = tlv::children(info, Tag::Sequence)?;
    let (Some(version), Some(key), true) = (parts.first(), parts.get(2), parts.len() <= 4) else {
        return Err(CsrError::Malformed);
    };
    if u8::from_der(&info[version.clone()])? != 0 {
        return Err(CsrError::Malformed);
    }
    Ok(PublicKey::parse_spki(&info[key.clone()])?)
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// The DER is longer than the limit.
    #[error("certificate signing request has {len} bytes, the limit is {max}")]
    TooLarge {
        /// Bytes of the request.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The PEM armor is wrong.
    #[error("certificate signing request: {0}")]
    Pem(#[from] PemError),
    /// The bytes are no PKCS#10 request.
    #[error("certificate signing request does not parse")]
    Malformed,
    /// The bytes nest too deep or hold too large a SET.
    #[error("certificate signing request: {0}")]
    Bounds(DerError),
    /// The self-signature is of an unknown type.
    #[error("unrecognized signature algorithm: {0}")]
    UnknownAlgorithm(String),
    /// The self-signature is of a type that its key cannot make.
    #[error("signature algorithm of the certificate signing request does not fit its key")]
    AlgorithmMismatch,
    /// The key is refused.
    #[error("public key: {0}")]
    Key(#[from] KeyError),
    /// The self-signature does not verify.
    #[error("signature of the certificate signing request does not verify")]
    Signature,
}

impl From<der::Error> for CsrError {
    fn from(_: der::Error) -> Self {
        Self::Malformed
    }
}

impl From<DerError> for CsrError {
    fn from(error: DerError) -> Self {
        match error {
            DerError::Malformed => Self::Malformed,
            DerError::TooDeep | DerError::SetTooLarge => Self::Bounds(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::Encode;
    use rcgen::{CertificateParams, KeyPair};

    fn request_with(algorithm: Scheme) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let csr = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let parts = tlv::children(csr.der(), Tag::Sequence).unwrap();
        let algorithm = algorithm.algorithm_identifier().unwrap().to_der().unwrap();
        let body = [
            &csr.der()[parts[0].clone()],
            &algorithm,
            &csr.der()[parts[2].clone()],
        ]
        .concat();
        tlv::wrap(Tag::Sequence, &body).unwrap()
    }

    #[test]
    fn an_algorithm_of_another_key_type_is_named_as_such() {
        assert!(
            CertificateRequest::parse_der(&request_with(Scheme::EcdsaP256Sha256))
                .unwrap()
                .verify()
                .is_ok()
        );
        let error =
            CertificateRequest::parse_der(&request_with(Scheme::RsaPkcs1Sha256)).unwrap_err();
        assert_eq!(error, CsrError::AlgorithmMismatch);
    }
}
