//! The private keys behind the services of an instance, as handles; a process has those that its roles need.

use super::{Layout, PublicHalf};
use anyhow::{Context, Result, bail};
use keys::{Algorithm, KeyFolder, Purpose, Signer};
use pki::cert::Certificate;
use pki::key::PublicKey;

/// What a process with all roles has.
pub(super) const OF_SERVICES: [Purpose; 5] = [
    Purpose::IssuingCa,
    Purpose::CtLog,
    Purpose::RekorV1,
    Purpose::RekorV2,
    Purpose::Tsa,
];

/// The keys that were loaded.
#[derive(Clone)]
pub(crate) struct Signers(Vec<Signer>);

impl Signers {
    /// The key for a purpose.
    ///
    /// # Errors
    /// When this process did not load it.
    pub(crate) fn get(&self, purpose: Purpose) -> Result<Signer> {
        let found = self.0.iter().find(|signer| signer.purpose() == purpose);
        found
            .cloned()
            .with_context(|| format!("this process has not loaded the {purpose} key"))
    }

    /// Adds a key that not every instance has.
    pub(super) fn add(&mut self, signer: Signer) {
        self.0.push(signer);
    }

    /// Makes the keys of a new instance; those that an interrupted creation left are kept.
    pub(super) fn create(folder: &KeyFolder, ca: Algorithm) -> Result<Self> {
        let make = |purpose: Purpose| {
            let algorithm = match purpose {
                Purpose::IssuingCa => ca,
                // Rekor v2: with ECDSA the log ID does not depend on the host name, and every client derives it alike.
                _ => Algorithm::EcdsaP256,
            };
            let (signer, _) = folder.load_or_create(purpose, algorithm)?;
            Ok(signer)
        };
        OF_SERVICES
            .into_iter()
            .map(make)
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Loads keys and compares each with the public half that was published for it.
    pub(super) fn load(
        folder: &KeyFolder,
        layout: &Layout,
        public: &PublicHalf,
        needs: &[Purpose],
    ) -> Result<Self> {
        let load = |purpose: &Purpose| {
            let signer = folder.load(*purpose).context(
                "the instance was complete before: restore the key from a backup, or start anew in another --data-dir",
            )?;
            check_match(layout, &signer, public)?;
            Ok(signer)
        };
        needs.iter().map(load).collect::<Result<_>>().map(Self)
    }
}

fn check_match(layout: &Layout, signer: &Signer, public: &PublicHalf) -> Result<()> {
    let Some((published, file)) = published(public, signer.purpose()) else {
        return Ok(());
    };
    if published.as_ref() == Some(signer.public_key()) {
        return Ok(());
    }
    bail!(
        "the key {} does not match {}: clients would refuse everything it signs. \
         Restore both from the same backup of the data folder",
        layout
            .keys()
            .join(format!("{}.pem", signer.purpose().name()))
            .display(),
        layout.public().join(file).display()
    );
}

/// The public half and its file; none of a key that nothing was published for.
fn published(public: &PublicHalf, purpose: Purpose) -> Option<(Option<PublicKey>, &'static str)> {
    let leaf = |chain: &[Certificate]| {
        let leaf = chain.first();
        leaf.map(|certificate| certificate.public_key().clone())
    };
    Some(match purpose {
        Purpose::IssuingCa => (leaf(&public.ca_chain), "ca-chain.pem"),
        Purpose::Tsa => (leaf(&public.tsa_chain), "tsa-chain.pem"),
        Purpose::CtLog => (Some(public.ct_log.clone()), "ct-log.pem"),
        Purpose::RekorV1 => (Some(public.rekor_v1.clone()), "rekor-v1.pem"),
        Purpose::RekorV2 => (Some(public.rekor_v2.clone()), "rekor-v2.pem"),
        _ => return None,
    })
}
