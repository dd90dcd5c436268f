//! A folder of key files.
//!
//! One file a purpose, PKCS#8 PEM, mode 0600, in a folder of mode 0700. A key file is written once and
//! never replaced: a lost race or a second start finds the first key and uses it. A single key may
//! have a file of any name instead ([`KeyFolder::of_file`]), in a folder that only its owner writes to.

use crate::encrypted;
use crate::software::SoftwareKey;
use crate::{Algorithm, KeyError, Purpose, Signer};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest key file that is read. An RSA-8192 key takes under 7 KiB; more is a mistake in the path.
pub const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Any permission of group and others.
const OTHERS: u32 = 0o077;
/// Group and others may write: into a folder, put another key in the place of this one.
const OTHERS_WRITE: u32 = 0o022;

/// A folder of key files, `<purpose>.pem`, or one key file of any name.
#[derive(Debug)]
pub struct KeyFolder {
    path: PathBuf,
    /// The name of the one key file; `None` when every purpose has its own.
    file: Option<OsString>,
}

impl KeyFolder {
    /// Takes a folder into use. It may be missing: only [`Self::load_or_create`] creates it.
    ///
    /// # Errors
    /// When the path names something else than a folder, or others can reach into it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KeyError> {
        let path = path.into();
        match fs::metadata(&path) {
            Ok(found) if !found.is_dir() => return Err(KeyError::NotAFolder { path }),
            Ok(found) => check_mode(&path, found.permissions().mode(), FOLDER_MODE)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(cannot("read", &path, error)),
        }
        Ok(Self { path, file: None })
    }

    /// Takes one key file into use, for a single purpose. It may be missing, and so may its folder, which
    /// [`Self::load_or_create`] creates. Others may read in the folder (the file itself is private), not
    /// write to it.
    ///
    /// # Errors
    /// When the path has no file name, or others can write to its folder.
    pub fn of_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let file = path.file_name().ok_or_else(|| KeyError::NotAFile {
            path: path.to_owned(),
        })?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let this = Self {
            path: folder.to_owned(),
            file: Some(file.to_owned()),
        };
        match fs::metadata(folder) {
            Ok(found) => this.check_folder(found.permissions().mode())?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(cannot("read", folder, error)),
        }
        Ok(this)
    }

    /// The path of a key file, existing or not.
    pub fn path_of(&self, purpose: Purpose) -> PathBuf {
        match &self.file {
            Some(name) => self.path.join(name),
            None => self.path.join(format!("{}.pem", purpose.name())),
        }
    }

    /// Whether there is something under the name of this key, readable or not.
    pub fn exists(&self, purpose: Purpose) -> bool {
        self.path_of(purpose).symlink_metadata().is_ok()
    }

    /// Loads an existing key.
    ///
    /// # Errors
    /// When the file is missing, larger than [`MAX_KEY_FILE_BYTES`], readable by others (the error names
    /// the chmod that cures it), or not a PKCS#8 PEM key of a supported algorithm, unencrypted or opened by the
    /// process's passphrase ([`crate::unlock_with`]).
    pub fn load(&self, purpose: Purpose) -> Result<Signer, KeyError> {
        let path = self.path_of(purpose);
        let text = read_secret(purpose, &path)?;
        let key = SoftwareKey::parse_pem_with(&text, encrypted::of_process())
            .map_err(|problem| KeyError::Unusable { path, problem })?;
        Signer::from_software(purpose, key)
    }

    /// Loads the key, or generates it if and only if its file does not exist. The flag says: created.
    ///
    /// An existing key is used whatever its algorithm. When two processes create at once, one wins and
    /// both use the winner's key.
    pub fn load_or_create(
        &self,
        purpose: Purpose,
        algorithm: Algorithm,
    ) -> Result<(Signer, bool), KeyError> {
        let created = match self.exists(purpose) {
            true => None,
            false => self.create(purpose, algorithm)?,
        };
        let found = match created {
            Some(key) => (Signer::from_software(purpose, key)?, true),
            None => (self.load(purpose)?, false),
        };
        self.sweep(purpose)?;
        Ok(found)
    }

    /// Removes a key file for good; one that is not there is no error.
    ///
    /// For keys that nothing trusts any more, or that are kept elsewhere from now on. The caller must be sure.
    pub fn remove(&self, purpose: Purpose) -> Result<(), KeyError> {
        let path = self.path_of(purpose);
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(&self.path),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(cannot("remove", &path, error)),
        }
    }

    /// Makes a key and its file; `None` when another process has won.
    fn create(
        &self,
        purpose: Purpose,
        algorithm: Algorithm,
    ) -> Result<Option<SoftwareKey>, KeyError> {
        self.create_folder()?;
        let key = SoftwareKey::generate(algorithm)?;
        let won = self.publish(
            purpose,
            key.to_pem_with(encrypted::of_process())?.as_bytes(),
        )?;
        Ok(won.then_some(key))
    }

    /// Removes what a killed process left beside the key: its temporary file holds a private key, and may
    /// be a second link to this one.
    ///
    /// Called when the key's own name stands. So a temporary file that is still in use is a loser's, and
    /// [`Self::publish`] takes its absence for that.
    fn sweep(&self, purpose: Purpose) -> Result<(), KeyError> {
        let read = |error| cannot("read", &self.path, error);
        let mut swept = false;
        for entry in fs::read_dir(&self.path).map_err(read)? {
            let entry = entry.map_err(read)?;
            let is_file = entry.file_type().map_err(read)?.is_file();
            if !is_file || !Temporary::is_name(purpose, &entry.file_name()) {
                continue;
            }
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(cannot("remove", &entry.path(), error));
                }
                _ => swept = true,
            }
        }
        match swept {
            true => sync_folder(&self.path),
            false => Ok(()),
        }
    }

    fn create_folder(&self) -> Result<(), KeyError> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(&self.path);
        made.map_err(|error| cannot("create the folder", &self.path, error))?;
        // It may have been made with another mode since `open`.
        let found = fs::metadata(&self.path).map_err(|error| cannot("read", &self.path, error))?;
        self.check_folder(found.permissions().mode())?;
        if let Some(parent) = self.path.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_folder(parent)?;
        }
        Ok(())
    }

    fn check_folder(&self, mode: u32) -> Result<(), KeyError> {
        match self.file {
            Some(_) if mode & OTHERS_WRITE == 0 => Ok(()),
            Some(_) => Err(KeyError::LaxMode {
                path: self.path.clone(),
                mode: mode & 0o7777,
                cure: mode & 0o777 & !OTHERS_WRITE,
            }),
            None => check_mode(&self.path, mode, FOLDER_MODE),
        }
    }

    /// Writes a key file whole or not at all. False when the name is taken already.
    fn publish(&self, purpose: Purpose, pem: &[u8]) -> Result<bool, KeyError> {
        let path = self.path_of(purpose);
        // 1. The bytes reach the disk under a name that nobody reads.
        let temporary = Temporary::write(&self.path, purpose, pem)?;
        // 2. A hard link gives them their name; unlike rename it fails when the name exists.
        let won = match fs::hard_link(&temporary.path, &path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            // The winner has swept the temporary file away.
            Err(error) if error.kind() == ErrorKind::NotFound && self.exists(purpose) => false,
            Err(error) => return Err(cannot("link the new key as", &path, error)),
        };
        drop(temporary);
        // 3. The name reaches the disk before anyone is told of the key. A loser syncs as well: it is
        //    about to use a key whose name the winner may not have made durable yet.
        sync_folder(&self.path)?;
        Ok(won)
    }
}

/// A file that is removed when this value goes, whatever happened.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn write(folder: &Path, purpose: Purpose, bytes: &[u8]) -> Result<Self, KeyError> {
        let path = folder.join(format!(".{}.{:016x}.new", purpose.name(), random_suffix()?));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(|error| cannot("create", &path, error))?;
        let this = Self { path };
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|error| cannot("write", &this.path, error))?;
        Ok(this)
    }

    /// Whether a file name is one of [`Self::write`]'s.
    fn is_name(purpose: Purpose, name: &OsStr) -> bool {
        let suffix = name
            .to_str()
            .and_then(|name| name.strip_prefix('.')?.strip_prefix(purpose.name()))
            .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".new"));
        suffix.is_some_and(|hex| {
            hex.len() == 16 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nothing to be done about a failure: the leftover is private, has a name nobody loads, and is
        // swept at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

fn random_suffix() -> Result<u64, KeyError> {
    getrandom::u64().map_err(|_| KeyError::Generate)
}

/// Reads a small private file into zeroising memory, after checking what it is and who may read it.
fn read_secret(purpose: Purpose, path: &Path) -> Result<Zeroizing<String>, KeyError> {
    // Opening a pipe would wait for a writer, so look before opening; then ask the open file itself.
    let found = fs::metadata(path).map_err(|error| missing_or(purpose, path, error))?;
    if !found.is_file() {
        return Err(KeyError::NotAFile { path: path.into() });
    }
    let file = File::open(path).map_err(|error| missing_or(purpose, path, error))?;
    let found = file
        .metadata()
        .map_err(|error| cannot("read", path, error))?;
    check_mode(path, found.permissions().mode(), FILE_MODE)?;
    read_text(path, &file, found.len())
}

fn read_text(path: &Path, file: &File, len: u64) -> Result<Zeroizing<String>, KeyError> {
    let too_large = || KeyError::TooLarge {
        path: path.into(),
        limit: MAX_KEY_FILE_BYTES,
    };
    if len > MAX_KEY_FILE_BYTES {
        return Err(too_large());
    }
    // One allocation up front: a buffer that grows leaves copies of the key behind.
    let capacity = usize::try_from(MAX_KEY_FILE_BYTES + 1).map_err(|_| too_large())?;
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    match file.take(MAX_KEY_FILE_BYTES + 1).read_to_string(&mut text) {
        Ok(read) if read >= capacity => Err(too_large()),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(KeyError::Unusable {
            path: path.into(),
            problem: crate::PemProblem::NotPem,
        }),
        Err(error) => Err(cannot("read", path, error)),
    }
}

fn check_mode(path: &Path, mode: u32, cure: u32) -> Result<(), KeyError> {
    if mode & OTHERS == 0 {
        return Ok(());
    }
    Err(KeyError::LaxMode {
        path: path.into(),
        mode: mode & 0o7777,
        cure,
    })
}

fn sync_folder(path: &Path) -> Result<(), KeyError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| cannot("sync", path, error))
}

fn missing_or(purpose: Purpose, path: &Path, error: io::Error) -> KeyError {
    if error.kind() == ErrorKind::NotFound {
        return KeyError::NotFound {
            purpose,
            path: path.into(),
        };
    }
    cannot("read", path, error)
}

fn cannot(action: &'static str, path: &Path, source: io::Error) -> KeyError {
    KeyError::Io {
        action,
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PemProblem;

    fn folder() -> (tempfile::TempDir, KeyFolder) {
        let root = tempfile::tempdir().unwrap();
        let folder = KeyFolder::open(root.path().join("keys")).unwrap();
        (root, folder)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_created_key_is_found_again_and_private() {
        let (_root, folder) = folder();
        let (first, created) = folder
            .load_or_create(Purpose::CtLog, Algorithm::EcdsaP256)
            .unwrap();
        assert!(created);
        assert_eq!(mode(&folder.path), 0o700);
        assert_eq!(mode(&folder.path_of(Purpose::CtLog)), 0o600);
        let (second, created) = folder
            .load_or_create(Purpose::CtLog, Algorithm::Ed25519)
            .unwrap();
        assert!(!created);
        assert_eq!(first.public_key(), second.public_key());
        assert_eq!(
            first.public_key(),
            folder.load(Purpose::CtLog).unwrap().public_key()
        );
    }

    #[test]
    fn a_single_key_file_has_any_name_and_a_folder_that_others_may_read() {
        let root = tempfile::tempdir().unwrap();
        set_mode(root.path(), 0o755);
        let path = root.path().join("w1.key.pem");
        let file = KeyFolder::of_file(&path).unwrap();
        let (signer, created) = file
            .load_or_create(Purpose::Witness, Algorithm::Ed25519)
            .unwrap();
        assert!(created);
        assert_eq!(mode(&path), 0o600);
        let again = KeyFolder::of_file(&path)
            .unwrap()
            .load(Purpose::Witness)
            .unwrap();
        assert_eq!(again.public_key(), signer.public_key());
    }

    #[test]
    fn a_key_file_in_a_folder_that_others_write_to_is_refused_with_the_cure() {
        let root = tempfile::tempdir().unwrap();
        set_mode(root.path(), 0o775);
        let error = KeyFolder::of_file(root.path().join("w1.pem")).unwrap_err();
        assert!(error.to_string().contains("chmod 755"), "{error}");
    }

    #[test]
    fn nothing_but_the_key_is_left_behind() {
        let (_root, folder) = folder();
        folder
            .load_or_create(Purpose::Tsa, Algorithm::EcdsaP256)
            .unwrap();
        let names: Vec<_> = fs::read_dir(&folder.path)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["tsa.pem"]);
    }

    fn names(folder: &KeyFolder) -> Vec<String> {
        let name = |e: io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(&folder.path).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_creator_left_is_swept_and_nothing_else() {
        let (_root, folder) = folder();
        let create = || folder.load_or_create(Purpose::Tsa, Algorithm::EcdsaP256);
        let (key, _) = create().unwrap();
        // Killed after the link: a second name of the live key. Killed before it: a key nobody has.
        fs::hard_link(
            folder.path_of(Purpose::Tsa),
            folder.path.join(".tsa.0123456789abcdef.new"),
        )
        .unwrap();
        fs::write(folder.path.join(".tsa.fedcba9876543210.new"), "key").unwrap();
        let others = [
            ".tsa-root.0123456789abcdef.new",
            ".tsa.0123456789ABCDEF.new",
            ".tsa.0123456789abcde.new",
            ".tsa.0123456789abcdef.new~",
            ".tsa.new",
            "tsa.0123456789abcdef.new",
        ];
        for other in others {
            fs::write(folder.path.join(other), "mine").unwrap();
        }
        let folder_of_that_name = ".tsa.00000000000000aa.new";
        fs::create_dir(folder.path.join(folder_of_that_name)).unwrap();

        let (again, created) = create().unwrap();
        assert!(!created);
        assert_eq!(again.public_key(), key.public_key());
        let mut kept: Vec<_> = others.to_vec();
        kept.extend(["tsa.pem", folder_of_that_name]);
        kept.sort_unstable();
        assert_eq!(names(&folder), kept);

        // The same when the key itself had not got its name.
        fs::remove_file(folder.path_of(Purpose::Tsa)).unwrap();
        fs::write(folder.path.join(".tsa.fedcba9876543210.new"), "key").unwrap();
        assert!(create().unwrap().1);
        assert_eq!(names(&folder), kept);
    }

    #[test]
    fn a_removed_key_is_gone_and_its_neighbor_is_not() {
        let (_root, folder) = folder();
        for purpose in [Purpose::TufRoot, Purpose::TufOnline] {
            folder
                .load_or_create(purpose, Algorithm::EcdsaP256)
                .unwrap();
        }
        folder.remove(Purpose::TufRoot).unwrap();
        folder.remove(Purpose::TufRoot).unwrap();
        assert_eq!(names(&folder), ["tuf-online.pem"]);
    }

    #[test]
    fn opening_creates_nothing() {
        let (_root, folder) = folder();
        assert!(!folder.exists(Purpose::Tsa));
        assert!(matches!(
            folder.load(Purpose::Tsa),
            Err(KeyError::NotFound { .. })
        ));
        assert!(!folder.path.exists());
    }

    #[test]
    fn an_existing_name_is_never_replaced() {
        let (_root, folder) = folder();
        let (first, _) = folder
            .load_or_create(Purpose::RootCa, Algorithm::EcdsaP256)
            .unwrap();
        assert!(!folder.publish(Purpose::RootCa, b"another key").unwrap());
        assert_eq!(
            folder.load(Purpose::RootCa).unwrap().public_key(),
            first.public_key()
        );
    }

    #[test]
    fn of_many_creators_one_wins_and_all_use_its_key() {
        let (_root, folder) = folder();
        let answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        folder
                            .load_or_create(Purpose::RekorV2, Algorithm::Ed25519)
                            .unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|(_, created)| *created).count(), 1);
        assert!(
            answers
                .iter()
                .all(|(s, _)| s.public_key() == answers[0].0.public_key())
        );
    }

    #[test]
    fn a_broken_file_is_refused_and_kept() {
        let (_root, folder) = folder();
        folder.create_folder().unwrap();
        let path = folder.path_of(Purpose::Tsa);
        fs::write(&path, "not a key").unwrap();
        set_mode(&path, 0o600);
        let error = folder
            .load_or_create(Purpose::Tsa, Algorithm::EcdsaP256)
            .unwrap_err();
        assert!(
            matches!(&error, KeyError::Unusable { problem: PemProblem::NotPem, path: p } if *p == path)
        );
        assert!(error.to_string().contains(&path.display().to_string()));
        assert_eq!(fs::read(&path).unwrap(), b"not a key");
    }

    #[test]
    fn a_lax_file_names_the_chmod_that_cures_it() {
        let (_root, folder) = folder();
        folder
            .load_or_create(Purpose::Tsa, Algorithm::EcdsaP256)
            .unwrap();
        let path = folder.path_of(Purpose::Tsa);
        for lax in [0o640, 0o604, 0o620, 0o601] {
            set_mode(&path, lax);
            let text = folder.load(Purpose::Tsa).unwrap_err().to_string();
            assert!(
                text.contains(&format!("chmod 600 {}", path.display())),
                "{text}"
            );
            assert!(text.contains(&format!("{lax:04o}")), "{text}");
        }
        set_mode(&path, 0o400);
        folder.load(Purpose::Tsa).unwrap();
    }

    #[test]
    fn a_lax_folder_names_the_chmod_that_cures_it() {
        let root = tempfile::tempdir().unwrap();
        set_mode(root.path(), 0o755);
        let text = KeyFolder::open(root.path()).unwrap_err().to_string();
        assert!(
            text.contains(&format!("chmod 700 {}", root.path().display())),
            "{text}"
        );
        set_mode(root.path(), 0o700);
        KeyFolder::open(root.path()).unwrap();
    }

    #[test]
    fn an_oversized_file_is_not_read() {
        let (_root, folder) = folder();
        folder.create_folder().unwrap();
        let path = folder.path_of(Purpose::Tsa);
        fs::write(&path, vec![b'a'; 64 * 1024 + 1]).unwrap();
        set_mode(&path, 0o600);
        assert!(matches!(
            folder.load(Purpose::Tsa),
            Err(KeyError::TooLarge { limit: 65536, .. })
        ));
    }

    #[test]
    fn what_is_no_file_or_no_text_is_refused() {
        let (_root, folder) = folder();
        folder.create_folder().unwrap();
        fs::create_dir(folder.path_of(Purpose::Tsa)).unwrap();
        assert!(matches!(
            folder.load(Purpose::Tsa),
            Err(KeyError::NotAFile { .. })
        ));
        let binary = folder.path_of(Purpose::CtLog);
        fs::write(&binary, [0x30, 0x80, 0xff]).unwrap();
        set_mode(&binary, 0o600);
        assert!(matches!(
            folder.load(Purpose::CtLog),
            Err(KeyError::Unusable {
                problem: PemProblem::NotPem,
                ..
            })
        ));
        assert!(matches!(
            KeyFolder::open(&binary),
            Err(KeyError::NotAFolder { .. })
        ));
    }

    #[test]
    fn no_error_quotes_the_file() {
        let (_root, folder) = folder();
        folder
            .load_or_create(Purpose::Tsa, Algorithm::EcdsaP256)
            .unwrap();
        let path = folder.path_of(Purpose::Tsa);
        let pem = fs::read_to_string(&path).unwrap();
        let secret = pem.lines().nth(2).unwrap().to_owned();
        for broken in [
            pem.replace(&secret, &format!("{secret}!")),
            pem.replace("PRIVATE KEY", "EC PRIVATE KEY"),
            pem.replacen("MIG", "MIH", 1),
        ] {
            fs::write(&path, broken).unwrap();
            let error = folder.load(Purpose::Tsa).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.contains(&secret[..8]), "{text}");
        }
    }
}
