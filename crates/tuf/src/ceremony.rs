//! A root that is passed around: several holders, each with a key of their own, a threshold of which has to sign.
//!
//! The draft is a JSON file with the root before it and the next one. Each holder looks at what it says and adds a
//! signature; the order does not matter. Nothing in it is secret, and nobody can change it unnoticed.

use crate::roots::{Keys, check_step, next_version};
use crate::signing::{KeyId, Ring, key_id, signature, to_bytes, tuf_key};
use crate::status::role_line;
use crate::{Exchange, Repository, TufError, life};
use keys::Signer;
use pki::key::PublicKey;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use time::Duration;
use tough::schema::{Role, RoleType, Root, Signed};

/// A root with [`MAX_HOLDERS`] keys has about 20 KiB.
pub const MAX_DRAFT_BYTES: u64 = 1 << 20;
/// More people than can be brought together; bounds a draft.
pub const MAX_HOLDERS: usize = 32;
/// The one form of a draft file.
const FORMAT: u32 = 1;

/// Who holds the root, and how many of them have to sign.
#[derive(Clone, Debug)]
pub struct Holders {
    /// Public keys, ECDSA P-256 or Ed25519.
    pub keys: Vec<PublicKey>,
    /// At least one, at most all.
    pub threshold: u64,
}

impl Holders {
    fn keys(&self) -> Result<Keys, TufError> {
        let wrong = |text: String| Err(TufError::Holders(text));
        let threshold = NonZeroU64::new(self.threshold);
        let Some(threshold) = threshold else {
            return wrong("the threshold is at least 1".to_owned());
        };
        let count = self.keys.len();
        if count > MAX_HOLDERS {
            return wrong(format!("{count} holders are more than {MAX_HOLDERS}"));
        }
        if u64::try_from(count).is_ok_and(|count| count < threshold.get()) {
            return wrong(format!(
                "{count} holders cannot reach a threshold of {threshold}"
            ));
        }
        for (index, key) in self.keys.iter().enumerate() {
            if self.keys[..index].contains(key) {
                return wrong("two holders have the same key".to_owned());
            }
        }
        Keys::several(&self.keys, threshold)
    }
}

/// The next root, on its way around.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Draft {
    format: u32,
    previous: Signed<Root>,
    next: Signed<Root>,
}

impl Repository {
    /// Drafts the next root: with these holders, or the same ones, and with other keys anew as asked.
    ///
    /// `life` is until when clients take it; usual is [`life::of`] a root.
    ///
    /// # Errors
    /// When the holders make no sense, or a key cannot be made.
    pub async fn draft(
        &self,
        holders: Option<&Holders>,
        exchange: Exchange,
        life: Option<Duration>,
    ) -> Result<Draft, TufError> {
        let previous = self.current().await?.root;
        let mut keys = self.exchanged(&previous.signed, exchange)?;
        if let Some(holders) = holders {
            keys.root = holders.keys()?;
        }
        let life = life.unwrap_or(life::of(RoleType::Root));
        let version = next_version(previous.signed.version);
        Ok(Draft {
            format: FORMAT,
            next: Signed {
                signed: keys.root(version, self.now() + life),
                signatures: Vec::new(),
            },
            previous,
        })
    }
}

impl Draft {
    /// Reads a draft of at most [`MAX_DRAFT_BYTES`] and checks that its signatures fit it.
    ///
    /// # Errors
    /// When it is no draft, or was changed after somebody signed.
    pub fn parse(bytes: &[u8]) -> Result<Self, TufError> {
        let no = |problem: String| TufError::NoDraft(problem);
        if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_DRAFT_BYTES) {
            return Err(no(format!("it has more than {MAX_DRAFT_BYTES} bytes")));
        }
        let draft: Self = serde_json::from_slice(bytes).map_err(|error| no(error.to_string()))?;
        if draft.format != FORMAT {
            return Err(no(format!("its format is {}, not {FORMAT}", draft.format)));
        }
        let next = &draft.next.signed;
        if next.version != next_version(draft.previous.signed.version) {
            return Err(no("its versions do not follow each other".to_owned()));
        }
        if next.keys.len() > MAX_HOLDERS + 2 || draft.next.signatures.len() > 2 * MAX_HOLDERS {
            return Err(no("it has too many keys or signatures".to_owned()));
        }
        draft.check_signatures()?;
        Ok(draft)
    }

    /// The draft as a file.
    ///
    /// # Errors
    /// Never in practice: it is what was read, or made here.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TufError> {
        to_bytes(self)
    }

    /// Signs as one of the holders. A second signature by the same key takes the place of the first.
    ///
    /// # Errors
    /// [`TufError::NoHolder`] when neither root names the key.
    pub async fn sign(&mut self, signer: &Signer) -> Result<(), TufError> {
        let id = key_id(&tuf_key(signer.public_key())?)?;
        if !self.is_holder(&id) {
            return Err(TufError::NoHolder {
                id: hex::encode(&id),
            });
        }
        self.add(&id, signer).await
    }

    /// What the root says and whose signatures it waits for, as lines for people.
    pub fn summary(&self) -> Vec<String> {
        let (old, new) = (&self.previous.signed, &self.next.signed);
        let mut lines = vec![format!(
            "root {} follows root {} and lives until {}",
            new.version, old.version, new.expires
        )];
        for role in [RoleType::Root, RoleType::Targets, RoleType::Timestamp] {
            lines.push(role_line(new, role, Some(old)));
        }
        for root in [old, new] {
            let (signed, threshold) = self.signed_by(root);
            lines.push(format!(
                "by the holders of root {}: {} of {threshold} needed",
                root.version,
                signed.len()
            ));
        }
        lines
    }

    /// Whether enough holders of both roots have signed.
    pub fn is_complete(&self) -> bool {
        check_step(&self.previous.signed, &self.next).is_ok()
    }

    pub(crate) fn next(&self) -> &Signed<Root> {
        &self.next
    }

    pub(crate) fn into_next(self) -> Signed<Root> {
        self.next
    }

    /// Fails unless the draft follows this very root.
    pub(crate) fn check_follows(&self, current: &Signed<Root>) -> Result<(), TufError> {
        match self.previous.signed == current.signed {
            true => Ok(()),
            false => Err(TufError::StaleDraft {
                drafted: self.previous.signed.version.get(),
                current: current.signed.version.get(),
            }),
        }
    }

    pub(crate) fn check_complete(&self) -> Result<(), TufError> {
        let mut missing = Vec::new();
        for root in [&self.previous.signed, &self.next.signed] {
            let (signed, threshold) = self.signed_by(root);
            let signed = u64::try_from(signed.len()).unwrap_or(u64::MAX);
            if signed < threshold {
                let lacks = threshold - signed;
                missing.push(format!("{lacks} by the holders of root {}", root.version));
            }
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(TufError::Unfinished {
                missing: missing.join(", "),
            }),
        }
    }

    /// Signs with the keys at hand that count.
    pub(crate) async fn sign_with(&mut self, ring: &Ring) -> Result<(), TufError> {
        for root in [self.previous.signed.clone(), self.next.signed.clone()] {
            for (id, signer) in ring.of(&root, RoleType::Root) {
                self.add(id, signer).await?;
            }
        }
        Ok(())
    }

    async fn add(&mut self, id: &KeyId, signer: &Signer) -> Result<(), TufError> {
        let message = self.next.signed.canonical_form();
        let message = message.map_err(TufError::library)?;
        let signature = signature(id, signer, &message).await?;
        self.next.signatures.retain(|other| other.keyid != *id);
        self.next.signatures.push(signature);
        Ok(())
    }

    fn is_holder(&self, id: &KeyId) -> bool {
        let holds = |root: &Root| {
            let keys = root.roles.get(&RoleType::Root);
            keys.is_some_and(|keys| keys.keyids.contains(id))
        };
        holds(&self.previous.signed) || holds(&self.next.signed)
    }

    /// The holders of a root who have signed, and how many have to.
    fn signed_by(&self, root: &Root) -> (Vec<&KeyId>, u64) {
        let Some(keys) = root.roles.get(&RoleType::Root) else {
            return (Vec::new(), 1);
        };
        let signatures = self
            .next
            .signatures
            .iter()
            .map(|signature| &signature.keyid);
        let signed = signatures.filter(|id| keys.keyids.contains(id)).collect();
        (signed, keys.threshold.get())
    }

    /// Each signature must be by a holder and hold by itself: otherwise the draft was changed on its way.
    fn check_signatures(&self) -> Result<(), TufError> {
        for signature in &self.next.signatures {
            let id = &signature.keyid;
            let changed = || TufError::Changed {
                id: hex::encode(id),
            };
            if !self.is_holder(id) {
                return Err(TufError::NoHolder {
                    id: hex::encode(id),
                });
            }
            let named = [&self.previous.signed, &self.next.signed];
            let mut judge = named.into_iter().find(|root| root.keys.contains_key(id));
            let judge = judge.take().ok_or_else(changed)?;
            // The library verifies against a role: one that this key alone makes up.
            let mut alone = judge.clone();
            let role = alone.roles.get_mut(&RoleType::Root).ok_or_else(changed)?;
            role.keyids = vec![id.clone()];
            role.threshold = NonZeroU64::MIN;
            let one = Signed {
                signed: self.next.signed.clone(),
                signatures: vec![signature.clone()],
            };
            alone.verify_role(&one).map_err(|_| changed())?;
        }
        Ok(())
    }
}
