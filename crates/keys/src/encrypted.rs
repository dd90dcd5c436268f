//! Encrypted key files: PKCS#8 `ENCRYPTED PRIVATE KEY` (RFC 5958 section 3), PBES2 (RFC 8018) with scrypt (RFC 7914) and
//! AES-256-CBC. What `openssl pkcs8 -topk8` writes is read as well: PBKDF2 with HMAC-SHA-256.
//!
//! The passphrase is one for the process ([`unlock_with`]): key files are opened in many places, by commands and by
//! services, some of them anew at every use.

use crate::{KeyError, PemProblem};
use pkcs8::pkcs5::{EncryptionScheme, pbes2, scrypt};
use pkcs8::{EncryptedPrivateKeyInfo, LineEnding, PrivateKeyInfo, SecretDocument};
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// PEM label, RFC 7468 section 11.
pub(crate) const LABEL: &str = "ENCRYPTED PRIVATE KEY";
/// N = 2^14, r = 8, p = 2: 16 MiB, the most that OpenSSL reads unasked, and some 0.1 s a key, so that a start with eight of them
/// stays below a second.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 2;
/// What a file may ask for: memory of scrypt in bytes (N * r * 128) and its passes, rounds of PBKDF2. More would be a
/// denial of service; OpenSSL's own are 16 MiB and 2048.
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
const MAX_SCRYPT_PASSES: u16 = 16;
const MAX_ROUNDS: u32 = 10_000_000;
/// Of a passphrase, in characters. A stolen key file can be guessed at without a limit.
const MIN_PASSPHRASE: usize = 12;
/// Of its file, in bytes.
const MAX_PASSPHRASE_FILE: u64 = 4096;
/// Permissions of all others.
const WORLD: u32 = 0o007;

static OF_PROCESS: OnceLock<Passphrase> = OnceLock::new();

/// What opens encrypted key files. Debug is redacted; zeroised when dropped.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase of at least 12 characters.
    ///
    /// # Errors
    /// When it is shorter.
    pub fn new(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = Zeroizing::new(text.into());
        match text.chars().count() >= MIN_PASSPHRASE {
            true => Ok(Self(text)),
            false => Err(KeyError::WeakPassphrase {
                least: MIN_PASSPHRASE,
            }),
        }
    }

    /// Reads the first line of a file that not everybody can read.
    ///
    /// # Errors
    /// When it cannot be read, is longer than 4 KiB, open to everybody, or holds too short a passphrase.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let cannot = |source| KeyError::Io {
            action: "read the passphrase",
            path: path.to_owned(),
            source,
        };
        let found = fs::metadata(path).map_err(cannot)?;
        let mode = found.permissions().mode();
        if mode & WORLD != 0 {
            return Err(KeyError::LaxMode {
                path: path.to_owned(),
                mode: mode & 0o7777,
                cure: mode & 0o770,
            });
        }
        if found.len() > MAX_PASSPHRASE_FILE {
            return Err(KeyError::TooLarge {
                path: path.to_owned(),
                limit: MAX_PASSPHRASE_FILE,
            });
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(cannot)?);
        Self::new(text.lines().next().unwrap_or_default())
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

/// Opens encrypted key files with this passphrase from now on, in the whole process, and encrypts those that are made.
/// The first call counts; later ones answer false.
pub fn unlock_with(passphrase: Passphrase) -> bool {
    OF_PROCESS.set(passphrase).is_ok()
}

/// The process's passphrase.
pub(crate) fn of_process() -> Option<&'static Passphrase> {
    OF_PROCESS.get()
}

/// Encrypts a PKCS#8 document; gives PEM.
pub(crate) fn seal(
    document: &SecretDocument,
    passphrase: &Passphrase,
) -> Result<Zeroizing<String>, KeyError> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    getrandom::fill(&mut salt).map_err(|_| KeyError::Generate)?;
    getrandom::fill(&mut iv).map_err(|_| KeyError::Generate)?;
    let cost = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, 32)
        .map_err(|_| KeyError::Generate)?;
    let scheme = pbes2::Parameters::scrypt_aes256cbc(cost, &salt, &iv);
    let scheme = scheme.map_err(|_| KeyError::Generate)?;
    let info = PrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| KeyError::Generate)?;
    let sealed = info.encrypt_with_params(scheme, passphrase.0.as_bytes());
    let sealed = sealed.map_err(|_| KeyError::Generate)?;
    let pem = sealed.to_pem(LABEL, LineEnding::LF);
    pem.map_err(|_| KeyError::Generate)
}

/// Decrypts an `EncryptedPrivateKeyInfo`.
pub(crate) fn open(
    der: &[u8],
    passphrase: Option<&Passphrase>,
) -> Result<SecretDocument, PemProblem> {
    let passphrase = passphrase.ok_or(PemProblem::Encrypted)?;
    let info = EncryptedPrivateKeyInfo::try_from(der).map_err(|_| PemProblem::Malformed)?;
    check_cost(&info.encryption_algorithm)?;
    // A wrong key is seen by its padding; one time in 256 that looks right and the structure in it does not.
    let opened = info.decrypt(passphrase.0.as_bytes());
    let opened = opened.map_err(|_| PemProblem::Passphrase)?;
    match PrivateKeyInfo::try_from(opened.as_bytes()) {
        Ok(_) => Ok(opened),
        Err(_) => Err(PemProblem::Passphrase),
    }
}

fn check_cost(scheme: &EncryptionScheme<'_>) -> Result<(), PemProblem> {
    let kdf = &scheme.pbes2().ok_or(PemProblem::Cipher)?.kdf;
    if let Some(scrypt) = kdf.scrypt() {
        let bytes = scrypt
            .cost_parameter
            .saturating_mul(u64::from(scrypt.block_size))
            .saturating_mul(128);
        let fits = bytes <= MAX_SCRYPT_BYTES && scrypt.parallelization <= MAX_SCRYPT_PASSES;
        return if fits { Ok(()) } else { Err(PemProblem::Cost) };
    }
    match kdf.pbkdf2() {
        Some(pbkdf2) if pbkdf2.iteration_count <= MAX_ROUNDS => Ok(()),
        Some(_) => Err(PemProblem::Cost),
        None => Err(PemProblem::Cipher),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;
    use crate::software::SoftwareKey;
    use std::process::Command;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).unwrap()
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_and_no_other() {
        let key = SoftwareKey::generate(Algorithm::EcdsaP256).unwrap();
        let right = passphrase("correct horse battery");
        let pem = key.to_pem_with(Some(&right)).unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        let again = SoftwareKey::parse_pem_with(&pem, Some(&right)).unwrap();
        assert_eq!(key.public_key().unwrap(), again.public_key().unwrap());
        let wrong = passphrase("correct horse batterie");
        let refused = SoftwareKey::parse_pem_with(&pem, Some(&wrong)).unwrap_err();
        assert_eq!(refused, PemProblem::Passphrase);
        let refused = SoftwareKey::parse_pem_with(&pem, None).unwrap_err();
        assert_eq!(refused, PemProblem::Encrypted);
    }

    #[test]
    fn what_openssl_encrypts_is_read_and_what_we_encrypt_it_reads() {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("SKIPPED: no openssl program on the path");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let openssl = |words: &[&str]| {
            let output = Command::new("openssl")
                .args(words)
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        let secret = passphrase("twelve or more");
        let key = SoftwareKey::generate(Algorithm::EcdsaP384).unwrap();
        fs::write(file("plain.pem"), key.to_pem_with(None).unwrap()).unwrap();
        for form in [&["-v2", "aes256"][..], &["-scrypt"]] {
            let words = ["pkcs8", "-topk8", "-in", "plain.pem", "-out", "sealed.pem"];
            openssl(&[&words, form, &["-passout", "pass:twelve or more"]].concat());
            let sealed = fs::read_to_string(file("sealed.pem")).unwrap();
            let read = SoftwareKey::parse_pem_with(&sealed, Some(&secret)).unwrap();
            assert_eq!(read.public_key().unwrap(), key.public_key().unwrap());
        }
        fs::write(file("ours.pem"), key.to_pem_with(Some(&secret)).unwrap()).unwrap();
        let words = ["pkcs8", "-in", "ours.pem", "-out", "opened.pem"];
        openssl(&[&words[..], &["-passin", "pass:twelve or more"]].concat());
        let opened = fs::read_to_string(file("opened.pem")).unwrap();
        let opened = SoftwareKey::parse_pem_with(&opened, None).unwrap();
        assert_eq!(opened.public_key().unwrap(), key.public_key().unwrap());
    }

    #[test]
    fn a_passphrase_file_is_private_and_its_first_line_long_enough() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        let with = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Passphrase::from_file(&path)
        };
        let read = with("twelve or more\nnot this\n", 0o640).unwrap();
        assert_eq!(read.0.as_str(), "twelve or more");
        assert!(!format!("{read:?}").contains("twelve"));
        let lax = with("twelve or more\n", 0o644).unwrap_err().to_string();
        assert!(lax.contains("chmod 640"), "{lax}");
        let short = with("short\n", 0o600).unwrap_err();
        assert!(matches!(short, KeyError::WeakPassphrase { least: 12 }));
    }

    #[test]
    fn a_file_cannot_ask_for_any_amount_of_work() {
        let salt = [1; 16];
        let scheme = |log_n| {
            let cost = scrypt::Params::new(log_n, 8, 1, 32).unwrap();
            pbes2::Parameters::scrypt_aes256cbc(cost, &salt, &[0; 16]).unwrap()
        };
        assert_eq!(check_cost(&scheme(18).into()), Ok(()));
        assert_eq!(check_cost(&scheme(20).into()), Err(PemProblem::Cost));
        let rounds = pbes2::Parameters::pbkdf2_sha256_aes256cbc(MAX_ROUNDS + 1, &salt, &[0; 16]);
        let refused = check_cost(&rounds.unwrap().into());
        assert_eq!(refused, Err(PemProblem::Cost));
    }
}
