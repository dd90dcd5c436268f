//! Four hundred days in the life of an instance, by a clock that is moved: a restart every thirty days, every key rotated
//! on the way, all signatures verified at every stop.

use super::*;
use crate::cli::{Cli, Command, OutwardArgs};
use crate::commands::rotate::run_by;
use crate::database::Database;
use crate::relocation::Serving;
use ::verifier::{Artifact, Match, Policy, Signer, TrustMaterial};
use clap::Parser;
use client::{Content, Signing};
use clock::Hand;
use formats::bundle::Bundle;
use formats::trust::{SigningConfig, TrustedRoot};
use keys::Algorithm;
use oidc::dev::DevIssuer;
use running::Running;
use std::path::Path;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinHandle;

const DAY: i64 = 86_400;
const EMAIL: &str = "alice@example.com";
/// A serving process does what it has to within a second; a loaded machine may need more.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is rotated at each stop.
const ROTATIONS: [&[&str]; 13] = [
    &["ca"],
    &["ct"],
    &["tsa"],
    &["log"],
    &["ca", "--root"],
    &["ct", "--propagation", "25h"],
    &["tsa", "--root"],
    &["log", "--propagation", "25h"],
    &["ca", "--propagation", "25h"],
    &["tsa", "--propagation", "25h"],
    &["ct"],
    &["log", "--log", "rekor-v2"],
    &["ca"],
];

/// `up`, as far as a clock that is moved can be given to it.
struct Up {
    instance: Instance,
    running: Running,
    tuf: tuf::Repository,
    trigger: shutdown::Trigger,
    serving: JoinHandle<Result<(), listen::ListenError>>,
}

async fn start(folder: &Path, address: SocketAddr, clock: &Clock) -> Up {
    let listener = listen::bind(address).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let layout = Layout::lock(folder).unwrap();
    let algorithm = Algorithm::EcdsaP384;
    let opened = Instance::open_or_create(layout, &url, "127.0.0.1", algorithm, clock);
    let mut instance = opened.await.unwrap();
    instance.make_dev_issuer().unwrap();
    let issuers = Issuers {
        text: None,
        allow_http: false,
    };
    let parts = Parts {
        issuers,
        outward: OutwardArgs::default(),
        clock: clock.clone(),
    };
    let database = Database::File(instance.layout.database());
    let built = parts.build(&instance, &database).await.unwrap();
    instance.finish().unwrap();
    let running = built.start().await.unwrap();
    let (trigger, stop) = shutdown::pair();
    let clients = running.routers().swap_remove(CLIENTS);
    let serving = tokio::spawn(listen::serve(listener, clients, stop));
    let tuf = running.tuf().clone();
    Up {
        instance,
        running,
        tuf,
        trigger,
        serving,
    }
}

impl Up {
    async fn stop(self) {
        self.trigger.shut_down();
        self.serving.await.unwrap().unwrap();
        self.running.close().await;
    }

    /// Exchanges every key of the TUF repository.
    async fn rotate_tuf(&self) {
        let all = tuf::Exchange {
            online: true,
            targets: true,
        };
        self.tuf.rotate(all).await.unwrap();
    }

    fn trust(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.instance.layout.trust().join(name)).unwrap()
    }

    fn root(&self) -> TrustedRoot {
        TrustedRoot::parse(&self.trust("trusted_root.json")).unwrap()
    }

    async fn sign(&self, rekor: u32, clock: &Clock) -> Bundle {
        let config = match rekor {
            1 => "signing_config.json",
            _ => "signing_config_rekor_v2.json",
        };
        let config = SigningConfig::parse(&self.trust(config)).unwrap();
        let url = &self.instance.public.url;
        let key = self.instance.signers.get(keys::Purpose::DevIssuer).unwrap();
        let issuer = DevIssuer::new(url, key, clock.clone());
        let token = issuer.email_token(EMAIL).await.unwrap();
        let root = self.root();
        let signing = Signing {
            config: &config,
            trusted_root: Some(&root),
            token: &token,
            rekor_version: Some(rekor),
            clock: clock.clone(),
        };
        client::sign(signing, Content::Digest([7; 32]))
            .await
            .unwrap()
    }

    fn verify(&self, bundle: &Bundle, now: OffsetDateTime) {
        let trust = TrustMaterial::new(&self.root()).unwrap();
        let policy = Policy::new(Signer::Identity {
            identity: Match::Exact(EMAIL.to_owned()),
            issuer: Match::Exact(format!("{}/oidc", self.instance.public.url)),
        });
        let artifact = Artifact::Digests {
            sha256: [7; 32],
            sha384: None,
            sha512: None,
        };
        let report = ::verifier::verify(bundle, &artifact, &trust, &policy, now);
        assert!(report.verified, "{}", report.to_text(false));
    }

    /// Everything that clients trusted once they trust still, with the same keys; only ends were added.
    fn check_keeps(&self, before: &TrustedRoot) {
        let now = self.root();
        let chain = |ca: &formats::trust::CertificateAuthority| ca.cert_chain.clone();
        let id = |log: &formats::trust::LogInstance| log.log_id.clone();
        for (old, new) in [
            (
                &before.certificate_authorities,
                &now.certificate_authorities,
            ),
            (&before.timestamp_authorities, &now.timestamp_authorities),
        ] {
            assert!(
                old.iter()
                    .all(|old| new.iter().any(|new| chain(new) == chain(old)))
            );
        }
        for (old, new) in [(&before.tlogs, &now.tlogs), (&before.ctlogs, &now.ctlogs)] {
            assert!(
                old.iter()
                    .all(|old| new.iter().any(|new| id(new) == id(old)))
            );
        }
    }

    /// Every role of the TUF repository is alive, and stays so for a while.
    async fn tuf_is_fresh(&self, now: OffsetDateTime) {
        let (layout, since) = (&self.instance.layout, Instant::now());
        loop {
            let path = layout.tuf().join("timestamp.json");
            let json: serde_json::Value =
                serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let expires = json["signed"]["expires"].as_str().unwrap();
            let expires = OffsetDateTime::parse(expires, &Rfc3339).unwrap();
            if expires > now + time::Duration::days(3) {
                break;
            }
            assert!(
                since.elapsed() < PATIENCE,
                "the timestamp ends on {expires}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let status = self.tuf.status().await.unwrap();
        assert!(status.warnings.is_empty(), "{:?}", status.warnings);
        assert!(
            status
                .roles
                .iter()
                .all(|role| role.expires_unix > now.unix_timestamp())
        );
    }
}

async fn rotate(folder: &Path, words: &[&str], clock: &Clock, hand: &Hand) {
    let folder = folder.to_str().unwrap();
    let all = [
        "sigstead",
        "rotate",
        words[0],
        "--data-dir",
        folder,
        "--yes",
    ];
    let cli = Cli::try_parse_from(all.iter().chain(&words[1..])).unwrap();
    let Command::Rotate(args) = cli.command else {
        panic!("{words:?}");
    };
    run_by(args, clock.clone()).await.unwrap();
    if !words.contains(&"--propagation") {
        return;
    }
    // The serving process goes on by its own clock.
    let times = if words[0] == "log" { 2 } else { 1 };
    hand.advance(times * 25 * 3600 + 60);
    let since = Instant::now();
    let is_pending = || {
        let text = std::fs::read_to_string(Path::new(folder).join("instance.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let lists = [("shards", "predecessor"), ("successors", "since")];
        lists.iter().any(|(list, done)| {
            let records = json[list].as_array();
            records.is_some_and(|records| records.iter().any(|record| record[done].is_null()))
        })
    };
    while is_pending() {
        assert!(since.elapsed() < PATIENCE, "{words:?} is not carried out");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_days_with_every_key_rotated_and_nothing_expired() {
    let folder = tempfile::tempdir().unwrap();
    let began = Clock::system().now().replace_nanosecond(0).unwrap();
    let (clock, hand) = Clock::manual(began);
    let running = start(folder.path(), "127.0.0.1:0".parse().unwrap(), &clock).await;
    let address: SocketAddr = running.instance.public.url["http://".len()..]
        .parse()
        .unwrap();
    let first_root = running.trust("tuf_root.json");
    let mut trusted = running.root();
    let mut bundles = vec![running.sign(1, &clock).await, running.sign(2, &clock).await];
    running.stop().await;

    for (stop, words) in ROTATIONS.iter().enumerate() {
        hand.set(began + time::Duration::days(30 * (i64::try_from(stop).unwrap() + 1)));
        let running = start(folder.path(), address, &clock).await;
        running.tuf_is_fresh(clock.now()).await;
        running.check_keeps(&trusted);
        bundles.push(running.sign(1, &clock).await);
        rotate(folder.path(), words, &clock, &hand).await;
        if stop % 4 == 2 {
            running.rotate_tuf().await;
        }
        // By the new key; clocks stand still meanwhile, which they do not do elsewhere.
        hand.advance(60);
        bundles.push(running.sign(1, &clock).await);
        bundles.push(running.sign(2, &clock).await);
        running.tuf_is_fresh(clock.now()).await;
        running.check_keeps(&trusted);
        bundles
            .iter()
            .for_each(|bundle| running.verify(bundle, clock.now()));
        trusted = running.root();
        running.stop().await;
    }

    hand.set(began + time::Duration::seconds(400 * DAY));
    let running = start(folder.path(), address, &clock).await;
    running.tuf_is_fresh(clock.now()).await;
    bundles.push(running.sign(1, &clock).await);
    bundles
        .iter()
        .for_each(|bundle| running.verify(bundle, clock.now()));
    let root = running.root();
    let counts = [
        root.certificate_authorities.len(),
        root.ctlogs.len(),
        root.timestamp_authorities.len(),
        root.tlogs.len(),
    ];
    assert_eq!(counts, [5, 4, 4, 7]);
    // Whoever was given the first root of TUF is led to the newest one, a step at a time.
    let tuf = running.instance.layout.tuf();
    assert_eq!(std::fs::read(tuf.join("1.root.json")).unwrap(), first_root);
    assert!(tuf.join("4.root.json").is_file());
    running.stop().await;
}
