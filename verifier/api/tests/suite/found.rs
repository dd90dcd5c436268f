//! Images as a registry has them: signed ones, unsigned ones, indexes.

use crate::fixture::Site;
use crate::registry::{Behavior, Fake, INDEX};
use formats::bundle::{Bundle, Content, MEDIA_TYPE_V03, PublicKeyIdentifier, VerificationMaterial};
use formats::dsse::{self, Envelope, IN_TOTO, STATEMENT_V1, Signature};
use keys::{Algorithm, Purpose, Signer};
use oci::{Access, COSIGN_SIGN, Image, ImageDigest, Source};
use serde_json::{Value, json};
use verifier_api::{Config, PREDICATE_TYPE, Registries};

/// A verifier that may ask a registry, the registry, and who signs: with a managed key, outside any log.
struct Scene {
    site: Site,
    registry: Fake,
    signer: Signer,
}

impl Scene {
    async fn new() -> Self {
        let config = Config {
            registries: Registries::Loopback,
            ..Config::default()
        };
        let behavior = Behavior {
            page: Some(10),
            ..Behavior::default()
        };
        Self {
            site: Site::with(config, &[]).await,
            registry: Fake::start(behavior).await,
            signer: Signer::in_memory(Purpose::DevIssuer, Algorithm::EcdsaP256).unwrap(),
        }
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/a{name}", self.registry.address)
    }

    async fn sign(&self, digest: ImageDigest) {
        let reference = self.reference(&format!("@{digest}"));
        let source = Source::parse(&reference).unwrap();
        let image = Image::open(&source, &Access::default()).await.unwrap();
        let bundle = self.bundle(digest).await;
        image.attach(&bundle, "2026-10-01T00:00:00Z").await.unwrap();
    }

    async fn bundle(&self, digest: ImageDigest) -> Bundle {
        let payload = json!({"_type": STATEMENT_V1, "predicateType": COSIGN_SIGN, "predicate": {},
            "subject": [{"name": "a", "digest": {"sha256": digest.hex()}}]});
        let payload = payload.to_string().into_bytes();
        let sig = self.signer.sign(&dsse::pae(IN_TOTO, &payload)).await;
        Bundle {
            media_type: MEDIA_TYPE_V03.to_owned(),
            verification_material: VerificationMaterial {
                public_key: Some(PublicKeyIdentifier { hint: "k".into() }),
                ..VerificationMaterial::default()
            },
            content: Content::Dsse(Envelope {
                payload: payload.into(),
                payload_type: IN_TOTO.to_owned(),
                signatures: vec![Signature {
                    sig: sig.unwrap().into(),
                    keyid: String::new(),
                }],
            }),
        }
    }

    /// Asks whether the signer signed.
    async fn ask(&self, name: &str, more: Value) -> Value {
        let mut request = json!({
            "image": self.reference(name),
            "policyDocument": {
                "apiVersion": "sigstead.dev/policy/v1", "name": "ours",
                "signatures": {"keys": [self.signer.public_key().to_pem()]},
                "log": {"threshold": 0}, "timestamps": {"threshold": 0},
            },
        });
        let members = more.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(members);
        let path = "/api/v1/verify/image";
        let (status, answer) = self.site.post(path, request.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// An index of two images, with its digest and theirs.
    fn index(&self) -> (ImageDigest, [ImageDigest; 2]) {
        let children = [
            self.registry.image("one", b"1"),
            self.registry.image("two", b"2"),
        ];
        let manifests = children.map(|digest| {
            let manifest = self.registry.manifest(&digest.to_string()).unwrap();
            let size = manifest.to_string().len();
            json!({"mediaType": manifest["mediaType"], "digest": digest, "size": size})
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        let bytes = index.to_string().into_bytes();
        (self.registry.put("multi", INDEX, bytes), children)
    }
}

#[tokio::test]
async fn a_signed_image_verifies_and_its_summary_names_the_digest() {
    let scene = Scene::new().await;
    let digest = scene.registry.image("v1", b"layer");
    scene.sign(digest).await;
    let answer = scene.ask(":v1", json!({"vsa": true})).await;
    assert_eq!(answer["verified"], true, "{answer}");
    assert_eq!(answer["digest"], digest.to_string());
    assert_eq!(answer["reasons"], json!([]));
    assert_eq!(answer["signatures"][0]["kind"]["type"], "signature");
    assert!(answer.get("children").is_none());

    let bundle = Bundle::parse(answer["vsa"].to_string().as_bytes()).unwrap();
    let Content::Dsse(envelope) = bundle.content else {
        panic!("a summary is an envelope")
    };
    let statement: Value = serde_json::from_slice(&envelope.payload.0).unwrap();
    assert_eq!(statement["predicateType"], PREDICATE_TYPE);
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest.hex());
    let uri = format!("{}@{digest}", scene.reference(":v1"));
    assert_eq!(statement["predicate"]["resourceUri"], uri);
}

#[tokio::test]
async fn an_image_without_signature_or_with_anothers_is_not_verified() {
    let scene = Scene::new().await;
    let digest = scene.registry.image("v1", b"layer");
    let answer = scene.ask(":v1", json!({"vsa": true})).await;
    assert_eq!(answer["verified"], false);
    assert!(answer.get("vsa").is_none());
    scene.sign(digest).await;
    let other = Signer::in_memory(Purpose::DevIssuer, Algorithm::EcdsaP256).unwrap();
    let other = Scene {
        signer: other,
        ..scene
    };
    let answer = other.ask(":v1", json!({})).await;
    assert_eq!(answer["verified"], false);
    assert_eq!(answer["signatures"].as_array().unwrap().len(), 1);
    assert!(!answer["reasons"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn every_image_of_an_index_must_hold_when_all_are_asked_for() {
    let scene = Scene::new().await;
    let (index, [one, two]) = scene.index();
    scene.sign(index).await;
    scene.sign(one).await;
    assert_eq!(scene.ask(":multi", json!({})).await["verified"], true);

    let answer = scene.ask(":multi", json!({"recursive": true})).await;
    assert_eq!(answer["verified"], false);
    let verdicts = |answer: &Value| {
        let children = answer["children"].as_array().unwrap().iter();
        let verdict = |child: &Value| (child["digest"].clone(), child["verified"].clone());
        children.map(verdict).collect::<Vec<_>>()
    };
    let digest = |digest: ImageDigest| Value::from(digest.to_string());
    let want = [(digest(one), true.into()), (digest(two), false.into())];
    assert_eq!(verdicts(&answer), want);
    assert_eq!(answer["reasons"][0]["step"], digest(two));
    assert_eq!(answer["reasons"].as_array().unwrap().len(), 1);

    scene.sign(two).await;
    let answer = scene.ask(":multi", json!({"recursive": true})).await;
    assert_eq!(answer["verified"], true, "{answer}");
    assert_eq!(verdicts(&answer).len(), 2);
}
