//! The parts of a request, each alone on one core: what no design can do without.

use super::databases::ENTRY;
use super::figures::{Figures, micros};
use crate::load::{Call, Load, Pace, cpu_at, run, thread_cpu};
use anyhow::{Context, Result};
use axum::routing::{get, post};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use keys::EphemeralKey;
use pki::key::PublicKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long each small measurement runs.
const SLICE: Duration = Duration::from_millis(60);
/// Bytes of a v1 request and of the answer to it, of a full tile: what the bare server moves.
const REQUEST: usize = 700;
const ANSWER: usize = 2_000;
const TILE: usize = 8_192;

/// Signatures, hashes, JSON: microseconds each.
pub(super) fn cpu(figures: &mut Figures) -> Result<()> {
    let key = EphemeralKey::generate()?;
    let digest = [7; 32];
    let signature = key.sign_digest(&digest)?;
    let (spki, scheme) = (
        key.public_key().spki_der().to_vec(),
        key.public_key().default_digest_scheme(),
    );
    let verify = || -> Result<()> {
        // A client's key comes with its request: parsing it is part of checking.
        let key = PublicKey::parse_spki(black_box(&spki))?;
        Ok(key.verify_digest(scheme, &digest, &signature)?)
    };
    verify()?;
    figures.add("verify", each(|| drop(black_box(verify())))?);
    figures.add("sign", each(|| drop(black_box(key.sign_digest(&digest))))?);
    let body = vec![7_u8; 2048];
    figures.add("hash 2 KB", each(|| _ = black_box(Sha256::digest(&body)))?);
    figures.add(
        "hash",
        each(|| _ = black_box(Sha256::digest(&body[..REQUEST])))?,
    );
    let request = Request {
        content: BASE64_STANDARD.encode(&body[..72]),
        key: BASE64_STANDARD.encode(&body[..91]),
        value: hex::encode(digest),
    };
    let json = serde_json::to_vec(&request)?;
    let exchange = || -> Result<Vec<u8>> {
        let read: Request = serde_json::from_slice(&json)?;
        BASE64_STANDARD.decode(read.content)?;
        BASE64_STANDARD.decode(read.key)?;
        hex::decode(read.value)?;
        let answer = Response {
            body: BASE64_STANDARD.encode(&body[..REQUEST]),
            hashes: vec![hex::encode(digest); 16],
        };
        Ok(serde_json::to_vec(&answer)?)
    };
    exchange()?;
    figures.add("json", each(|| drop(black_box(exchange())))?);
    Ok(())
}

/// As much JSON as a request has at least.
#[derive(Serialize, Deserialize)]
struct Request {
    content: String,
    key: String,
    value: String,
}

/// And as its answer has.
#[derive(Serialize)]
struct Response {
    body: String,
    hashes: Vec<String>,
}

/// Microseconds of CPU of one call; what else runs on the machine does not count.
fn each(mut call: impl FnMut()) -> Result<f64> {
    let (cpu, start, mut calls) = (thread_cpu()?, Instant::now(), 0_u32);
    while start.elapsed() < SLICE {
        for _ in 0..16 {
            call();
        }
        calls += 16;
    }
    Ok(micros(thread_cpu()?.saturating_sub(cpu)) / f64::from(calls))
}

/// HTTP alone: the same number of bytes in and out, with nothing in between.
pub(super) fn http(figures: &mut Figures, requests: usize) -> Result<()> {
    let server = Bare::start()?;
    let body = Bytes::from(vec![b'x'; REQUEST]);
    let load = |clients, calls| Load {
        url: &server.url,
        clients,
        pace: Pace::Closed,
        calls,
        keep: false,
    };
    let before = server.cpu()?;
    let many = run(load(64, vec![Call::post("/post", body.clone())?; requests]))?.expect(201)?;
    let served = server.cpu()?.saturating_sub(before);
    figures.add("http", micros(served) / requests as f64);
    figures.add("generator", micros(many.cpu) / requests as f64);
    let one = run(load(
        1,
        vec![Call::post("/post", body)?; requests.div_ceil(8)],
    ))?
    .expect(201)?;
    figures.add("bare post p50", micros(one.latency.percentile(50.0)));
    let tiles = run(load(64, vec![Call::get("/tile")?; requests]))?.expect(200)?;
    figures.add("bare get", tiles.rate());
    let proofs = run(load(64, vec![Call::get("/proof")?; requests]))?.expect(200)?;
    figures.add("bare small get", proofs.rate());
    Ok(())
}

/// The parts of a verified hashedrekord, and how much of each: the budget. The database's is for a batch of 2 KB entries.
const PARTS: [(&str, f64); 6] = [
    ("http", 1.0),
    ("generator", 1.0),
    ("json", 1.0),
    ("verify", 1.0),
    ("hash", 2.0),
    ("database", REQUEST as f64 / ENTRY as f64),
];

/// Requests a second that the cores could answer if nothing but the parts cost anything.
pub(super) fn ceilings(figures: &mut Figures) -> Result<()> {
    let mut sum = 0.0;
    for (part, times) in PARTS {
        sum += times * figures.last(part).with_context(|| part.to_owned())?;
    }
    let cores = std::thread::available_parallelism()?.get() as f64;
    // Only v1 signs every answer (SET); a checkpoint's signature is shared by its batch.
    let set = figures.last("sign").context("sign")?;
    for (api, sum) in [("v1", sum + set), ("v2", sum)] {
        figures.add(format!("{api} parts"), sum);
        figures.add(format!("{api} ceiling"), cores * 1e6 / sum);
    }
    Ok(())
}

/// An axum server on one thread, whose CPU time can be read.
struct Bare {
    url: String,
    task: std::path::PathBuf,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Bare {
    fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // A symbolic link `PID/task/TID`, which only this thread can read.
            let _ = tell.send(std::fs::read_link("/proc/thread-self"));
            if let Err(error) = serve(listener, stopped) {
                eprintln!("the bare server failed: {error:#}");
            }
        });
        let task = told.recv().context("the bare server did not start")??;
        Ok(Self {
            url,
            task: std::path::Path::new("/proc").join(task),
            _stop: stop,
        })
    }

    fn cpu(&self) -> Result<Duration> {
        cpu_at(&self.task)
    }
}

fn serve(
    listener: std::net::TcpListener,
    stopped: tokio::sync::oneshot::Receiver<()>,
) -> Result<()> {
    let answer = Bytes::from(vec![b'x'; ANSWER]);
    let tile = Bytes::from(vec![b'x'; TILE]);
    let small = Bytes::from(vec![b'x'; ANSWER / 2]);
    let router = axum::Router::new()
        .route("/ping", get(async || "."))
        .route("/tile", get(async || tile))
        .route("/proof", get(async || small))
        .route(
            "/post",
            post(async |body: Bytes| {
                black_box(body);
                (http::StatusCode::CREATED, answer)
            }),
        );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::select! {
            served = axum::serve(listener, router) => served?,
            _ = stopped => {}
        }
        Ok(())
    })
}
