//! What can go wrong with keys. No variant carries key bytes, nor any error of a parser that saw them.

use crate::Purpose;
use std::io;
use std::path::PathBuf;

/// Why a key could not be loaded, made or used, or a certificate not be issued.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no key file.
    #[error("no {purpose} key at {path}: create it with `sigstead init`, or put a PKCS#8 PEM file there", path = path.display())]
    NotFound {
        /// Whose key.
        purpose: Purpose,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The path of the key folder names something else.
    #[error("{path} is not a folder: name the folder that holds the key files", path = path.display())]
    NotAFolder {
        /// The configured path.
        path: PathBuf,
    },
    /// The path of a key names something else than a file.
    #[error("{path} is not a regular file", path = path.display())]
    NotAFile {
        /// The path of the key.
        path: PathBuf,
    },
    /// Others than the owner can reach the key.
    #[error("{path} has mode {mode:04o}, so others than its owner can reach private keys; run: chmod {cure:o} {path}", path = path.display())]
    LaxMode {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The mode that is accepted.
        cure: u32,
    },
    /// The file is no plausible key file.
    #[error("{path} is larger than {limit} bytes and no PKCS#8 key file", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is there but holds no usable key.
    #[error("{path}: {problem}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: PemProblem,
    },
    /// The same, for PEM text that came from no file.
    #[error(transparent)]
    Pem(#[from] PemProblem),
    /// The file system refused.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A passphrase that is too easily guessed.
    #[error("a passphrase for private keys must have at least {least} characters")]
    WeakPassphrase {
        /// The lower bound in characters.
        least: usize,
    },
    /// No key could be generated.
    #[error("cannot generate a key: the cryptographic library refused")]
    Generate,
    /// The library, HSM or KMS refused to sign.
    #[error("cannot sign: {reason}")]
    Sign {
        /// What the backend said; never key material.
        reason: String,
    },
    /// The public half is not one that pki accepts.
    #[error("public key: {0}")]
    PublicKey(#[from] pki::key::KeyError),
    /// A certificate breaks a rule of the profile.
    #[error(transparent)]
    Rule(#[from] CertificateRule),
    /// A certificate does not parse or does not verify.
    #[error("certificate: {0}")]
    Certificate(#[from] pki::cert::CertError),
    /// The certificate generator refused.
    #[error("certificate generator: {0}")]
    Generator(#[from] rcgen::Error),
}

impl KeyError {
    /// For backends: the HSM, KMS or library refused to sign. `reason` must not hold key material.
    pub fn sign(reason: impl Into<String>) -> Self {
        Self::Sign {
            reason: reason.into(),
        }
    }
}

/// What is wrong with a PEM key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemProblem {
    /// No PEM text.
    #[error("is not PEM text: it must begin with -----BEGIN PRIVATE KEY-----")]
    NotPem,
    /// An encrypted key, and no passphrase.
    #[error(
        "the key is encrypted, and no passphrase was given: name its file with keys.passphrase_file in the configuration, or \
         with SIGSTEAD__KEYS__PASSPHRASE_FILE"
    )]
    Encrypted,
    /// Encrypted in the old way, with a header in the PEM text.
    #[error(
        "the key is encrypted in an old form; make it a PKCS#8 file with: openssl pkcs8 -topk8 -scrypt -in FILE -out NEWFILE"
    )]
    OldEncryption,
    /// The passphrase is another one.
    #[error("the passphrase does not open this key; give the one that it was encrypted with")]
    Passphrase,
    /// Encrypted with something else than PBES2 with scrypt or PBKDF2.
    #[error(
        "the key is encrypted with an algorithm that is not supported; encrypt it with: openssl pkcs8 -topk8 -scrypt -in FILE -out NEWFILE"
    )]
    Cipher,
    /// Encrypted with parameters that cost too much.
    #[error(
        "opening the key would take too much memory or time; encrypt it with scrypt, N at most 2^18, r 8, p 16"
    )]
    Cost,
    /// A key in SEC1 or PKCS#1 form.
    #[error(
        "is a PEM file of another form; make a PKCS#8 file with: openssl pkcs8 -topk8 -nocrypt -in FILE -out NEWFILE"
    )]
    NotPkcs8,
    /// Not a PKCS#8 structure.
    #[error("does not parse as PKCS#8 (RFC 5958)")]
    Malformed,
    /// A key of another kind.
    #[error(
        "key algorithm {0} is not supported; use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits"
    )]
    Algorithm(pkcs8::ObjectIdentifier),
    /// Private key and parameters do not fit.
    #[error("the key is invalid: its numbers do not fit together, or it is too short or too long")]
    Rejected,
}

/// A rule of the certificate profile that a request breaks (spec/fulcio.md 4.2, spec/clients.md 0.11, d.2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRule {
    /// The key is not one for certificates.
    #[error("the {0} key may not sign certificates: a signer is bound to its purpose")]
    Purpose(Purpose),
    /// sigstore-python rejects Ed25519 CAs.
    #[error(
        "an Ed25519 key cannot sign certificates that every client accepts; use ECDSA P-256 or P-384"
    )]
    Ed25519Issuer,
    /// O or CN is empty, too long or has control characters.
    #[error("{field} must have 1 to {limit} characters and no control characters")]
    Name {
        /// `organization` or `common name`.
        field: &'static str,
        /// Upper bound of RFC 5280.
        limit: usize,
    },
    /// Code-signing root and intermediate must carry the same O: `gh` compares them.
    #[error(
        "organization {organization:?} differs from the issuing certificate's {issuer:?}; clients require the same one in root and intermediate"
    )]
    Organization {
        /// The one asked for.
        organization: String,
        /// The issuer's, when it has one.
        issuer: Option<String>,
    },
    /// A certificate named as its issuer would count as self-issued.
    #[error("the subject is the same as the issuer's; choose another common name")]
    SameName,
    /// Validity ends before it starts, or a root lives for no or too many years.
    #[error("the validity period is empty or longer than {limit_years} years")]
    Validity {
        /// The longest accepted life in years.
        limit_years: i32,
    },
    /// The period is not inside the issuer's.
    #[error("the validity period is not inside the issuer's, {not_before} to {not_after}")]
    OutlivesIssuer {
        /// Start of the issuer's validity.
        not_before: time::OffsetDateTime,
        /// End of the issuer's validity.
        not_after: time::OffsetDateTime,
    },
    /// The issuing key and certificate are not a pair.
    #[error("the {0} key does not belong to the issuing certificate")]
    IssuerKey(Purpose),
    /// The issuing certificate is no CA.
    #[error("the issuing certificate is not a CA certificate")]
    IssuerNotCa,
    /// The issuer's name cannot be repeated byte for byte.
    #[error(
        "the issuing certificate's subject has a form that cannot be repeated byte for byte (multi-valued or repeated attributes)"
    )]
    IssuerName,
}
