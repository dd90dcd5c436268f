//! Too many at once, over HTTP: who is not served is told when to come back.

use crate::fixture::{Good, Site};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use verifier_api::Config;

/// Uploads that the service takes at once.
const UPLOADS: usize = 64;
/// Long enough for an answer that is not waiting for anything.
const PATIENCE: Duration = Duration::from_secs(1);
const FORM_HEAD: &str = "POST /api/v1/verify HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\
                         content-type: multipart/form-data; boundary=cut\r\ntransfer-encoding: chunked\r\n\r\n";

/// An HTTP answer.
struct Answer {
    status: u16,
    /// In lower case.
    head: String,
    body: Value,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_ascii_lowercase(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }

    fn assert_busy(&self) {
        assert_eq!(self.status, 503, "{}", self.body);
        assert!(self.head.contains("\r\nretry-after: 1"), "{}", self.head);
        assert_eq!(self.body["code"], "busy");
    }
}

async fn send(address: &str, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    Answer::parse(&bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_upload_too_many_is_503_until_another_one_ends() {
    let address = Site::new().await.serve().await;
    // 1. Uploads that never go on behind their head.
    let mut held = Vec::new();
    for _ in 0..UPLOADS {
        held.push(send(&address, FORM_HEAD).await);
    }
    // 2. The next one is told at once. Those before it may not have arrived all: then it is held as well.
    let refused = loop {
        assert!(held.len() < 2 * UPLOADS, "everybody is served");
        let mut stream = send(&address, FORM_HEAD).await;
        let mut bytes = Vec::new();
        match tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await {
            Ok(read) => {
                read.unwrap();
                break Answer::parse(&bytes);
            }
            Err(_) => held.push(stream),
        }
    };
    refused.assert_busy();
    // 3. When they end there is room: an empty form is read, and refused for what it is.
    drop(held);
    let start = Instant::now();
    loop {
        let stream = send(&address, &format!("{FORM_HEAD}0\r\n\r\n")).await;
        let answer = answer(stream).await;
        if answer.status != 503 {
            assert_eq!(answer.status, 400, "{}", answer.body);
            break;
        }
        assert!(start.elapsed() < 10 * PATIENCE, "nothing was given back");
        tokio::time::sleep(PATIENCE / 20).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_finds_every_place_taken_is_503_and_the_others_are_answered() {
    let Some(good) = Good::load() else { return };
    let config = Config {
        cores: 1,
        waiting: 0,
        ..Config::default()
    };
    let address = Site::with(config, &[]).await.serve().await;
    // Each member is another question: a batch takes the one core for a while.
    let batch = |number: usize| {
        let members = (0..100).map(|member| {
            let mut request = good.request();
            request["artifact"] =
                json!({"digest": format!("sha256:{:064x}", number * 1000 + member)});
            request
        });
        let body = json!({"requests": members.collect::<Vec<_>>()}).to_string();
        format!(
            "POST /api/v1/verify/batch HTTP/1.1\r\nhost: v\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let requests: Vec<String> = (0..8).map(batch).collect();
    let asking = requests
        .iter()
        .map(|request| async { answer(send(&address, request).await).await });
    let answers = futures::future::join_all(asking).await;
    let (served, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert!(!served.is_empty() && !refused.is_empty(), "{served:?}");
    refused.iter().for_each(|answer| answer.assert_busy());
    for answer in served {
        assert_eq!(answer.body["results"].as_array().unwrap().len(), 100);
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.status.fmt(f)
    }
}
